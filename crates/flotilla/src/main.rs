//! `flotilla`: one control plane, many gateway groups. One file per verb.

mod allocator;
mod audit;
mod can_i;
mod client_settings;
mod control_plane;
mod database;
mod dns;
mod duration;
mod gateway;
mod group;
mod group_key;
mod instance;
mod json_file;
mod label;
mod limits;
mod logging;
mod login;
mod login_option;
mod logout;
mod master_key;
mod output;
mod policy;
mod progress;
mod prompt;
mod role;
mod scim;
mod service;
mod signals;
mod status;
mod token;
mod up;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Requests come and go by the ten thousand a second: the allocator counts.
#[global_allocator]
static ALLOCATOR: allocator::Mimalloc = allocator::Mimalloc;

/// API gateways in groups, from one control plane.
#[derive(Parser)]
#[command(name = "flotilla", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// What to log: error, warn, info, debug, trace, or a filter such as `gateway=debug,info`.
    #[arg(long, global = true, env = "FLOTILLA_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
    /// Form of the log.
    #[arg(long, global = true, env = "FLOTILLA_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    log_format: logging::Format,
}

#[derive(Subcommand)]
enum Verb {
    /// Run everything on this machine: control plane, API, and one gateway instance in group `default`.
    Up(up::Up),
    /// Run a control plane.
    ControlPlane(control_plane::ControlPlaneArguments),
    /// Run a gateway instance.
    Gateway(gateway::GatewayArguments),
    Login(login::Login),
    Logout(logout::Logout),
    /// List, make, renew and delete your personal tokens.
    Token(token::Token),
    /// List, create, show, change and delete gateway groups; make join tokens and admin keys.
    Group(group::Group),
    /// Show how the nodes of services are.
    Service(service::Service),
    /// List, show and revoke gateway instances.
    Instance(instance::Instance),
    /// List, export and verify the audit log; say how long it is kept and where it is sent.
    Audit(audit::Audit),
    /// List, invite, change and remove users; reset their passwords, end their sessions.
    User(user::User),
    /// List, create, change and delete roles; attach permission policies to them.
    Role(role::Role),
    /// List, save, delete and try out permission policies.
    Policy(policy::Policy),
    /// List, create, change and delete login options: OpenID Connect providers and LDAP directories.
    LoginOption(login_option::LoginOption),
    /// Switch provisioning by SCIM, and make its token.
    Scim(scim::Scim),
    /// Explain whether you, or another user, may do something.
    #[command(name = "can-i")]
    CanI(can_i::CanI),
    /// Show every group with its revision and its instances in sync, behind and lost.
    Status(status::Status),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_server = match &arguments.verb {
        Verb::Up(_) | Verb::Gateway(_) => true,
        Verb::ControlPlane(control_plane) => control_plane.is_server(),
        _ => false,
    };
    if let Err(error) = logging::start(&arguments.log, arguments.log_format, is_server) {
        return fail(&error);
    }
    match run(arguments.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Up(up) => runtime()?.block_on(serve(up.run())),
        Verb::ControlPlane(control_plane) => runtime()?.block_on(serve(control_plane.run())),
        Verb::Gateway(gateway) => small_runtime()?.block_on(serve(gateway.run())),
        Verb::Login(login) => small_runtime()?.block_on(login.run()),
        Verb::Logout(logout) => small_runtime()?.block_on(logout.run()),
        Verb::Token(token) => small_runtime()?.block_on(token.run()),
        Verb::Group(group) => small_runtime()?.block_on(group.run()),
        Verb::Service(service) => small_runtime()?.block_on(service.run()),
        Verb::Instance(instance) => small_runtime()?.block_on(instance.run()),
        Verb::Audit(audit) => small_runtime()?.block_on(audit.run()),
        Verb::User(user) => small_runtime()?.block_on(user.run()),
        Verb::Role(role) => small_runtime()?.block_on(role.run()),
        Verb::Policy(policy) => small_runtime()?.block_on(policy.run()),
        Verb::LoginOption(login_option) => small_runtime()?.block_on(login_option.run()),
        Verb::Scim(scim) => small_runtime()?.block_on(scim.run()),
        Verb::CanI(can_i) => small_runtime()?.block_on(can_i.run()),
        Verb::Status(status) => small_runtime()?.block_on(status.run()),
    }
}

/// What runs for long keeps only the memory that it needs.
async fn serve<T>(work: impl Future<Output = T>) -> T {
    tokio::spawn(allocator::give_back_often());
    work.await
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_park(allocator::give_back_at_rest).build()
}

/// Clients do one thing at a time; a gateway's workers have runtimes of their own.
fn small_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[allow(clippy::print_stderr)]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("flotilla: {error:#}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    /// Every verb that does something, with its words: `group key list`.
    fn verbs() -> Vec<(String, Command)> {
        let mut all = Arguments::command();
        all.build();
        let mut found = Vec::new();
        walk(&all, "", &mut found);
        found
    }

    fn walk(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let words = format!("{words} {}", verb.get_name()).trim_start().to_owned();
            if !verb.is_subcommand_required_set() {
                found.push((words.clone(), verb.clone()));
            }
            walk(verb, &words, found);
        }
    }

    #[test]
    fn every_verb_has_a_text_an_example_and_json() {
        let verbs = verbs();
        assert!(verbs.len() > 60, "hardly any verb is found: {}", verbs.len());
        for (words, verb) in verbs {
            let text = |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
            assert!(!text(verb.get_about()).is_empty(), "{words} has no text");
            let example = text(verb.get_after_help());
            assert!(
                example.starts_with("Example") && example.contains(&format!("flotilla {words}")),
                "{words}: {example}"
            );
            let is_server = ["up", "control-plane", "gateway"].contains(&words.as_str());
            let has_json = verb.get_arguments().any(|argument| argument.get_id() == "output");
            assert!(has_json || is_server, "{words} has no --output");
            for argument in verb.get_arguments() {
                assert!(argument.get_help().is_some(), "{words}: {} has no text", argument.get_id());
            }
        }
    }

    #[test]
    fn every_setting_of_a_server_can_stand_in_the_environment() {
        let servers =
            verbs().into_iter().filter(|(words, _)| ["up", "control-plane", "gateway"].contains(&words.as_str()));
        for (words, server) in servers {
            for argument in
                server.get_arguments().filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
            {
                let variable = argument.get_env().and_then(|name| name.to_str()).unwrap_or_default();
                assert!(variable.starts_with("FLOTILLA_"), "{words}: {} by {variable:?}", argument.get_id());
            }
        }
    }

    #[test]
    fn no_argument_carries_a_password() {
        for (words, verb) in verbs() {
            for argument in verb.get_arguments().filter(|argument| argument.get_id().as_str().contains("password")) {
                let is_a_place = !argument.get_action().takes_values() || argument.get_id().as_str().ends_with("_file");
                assert!(is_a_place, "{words}: {} would stand in the process list", argument.get_id());
            }
            let is_shown = |argument: &clap::Arg| argument.get_id() == "database" && !argument.is_hide_env_values_set();
            assert!(!verb.get_arguments().any(is_shown), "{words}: --help shows the database's password");
        }
    }

    #[test]
    fn verbs_and_their_arguments_are_reviewed() {
        let lines = verbs().into_iter().map(|(words, mut verb)| {
            let usage = verb.render_usage().to_string();
            let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect::<Vec<_>>().join(" | ");
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let own: Vec<_> =
                verb.get_arguments().filter_map(clap::Arg::get_long).filter(|long| !COMMON.contains(long)).collect();
            format!(
                "{words}: {about}\n  {usage}\n  {}",
                own.iter().map(|long| format!("--{long}")).collect::<Vec<_>>().join(" ")
            )
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    }

    /// What all client verbs take.
    const COMMON: [&str; 9] =
        ["server", "token", "ca-file", "ca-fingerprint", "output", "log", "log-format", "help", "version"];
}
