//! `flotilla`: one control plane, many gateway groups. One file per verb.

mod allocator;
mod audit;
mod can_i;
mod client_settings;
mod control_plane;
mod dns;
mod duration;
mod gateway;
mod group;
mod instance;
mod logging;
mod login;
mod master_key;
mod output;
mod policy;
mod role;
mod signals;
mod status;
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
    /// Log in to a control plane and keep a token for the other verbs.
    Login(login::Login),
    /// List, create, show and delete gateway groups; make join tokens.
    Group(group::Group),
    /// List, show and revoke gateway instances.
    Instance(instance::Instance),
    /// List, export and verify the audit log.
    Audit(audit::Audit),
    /// List, invite, change and remove users.
    User(user::User),
    /// List, create and delete roles; attach permission policies to them.
    Role(role::Role),
    /// List, save, delete and try out permission policies.
    Policy(policy::Policy),
    /// Explain whether you, or another user, may do something.
    #[command(name = "can-i")]
    CanI(can_i::CanI),
    /// Show every group with its revision and its instances in sync, behind and lost.
    Status(status::Status),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_server = matches!(arguments.verb, Verb::Up(_) | Verb::ControlPlane(_) | Verb::Gateway(_));
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
        Verb::Group(group) => small_runtime()?.block_on(group.run()),
        Verb::Instance(instance) => small_runtime()?.block_on(instance.run()),
        Verb::Audit(audit) => small_runtime()?.block_on(audit.run()),
        Verb::User(user) => small_runtime()?.block_on(user.run()),
        Verb::Role(role) => small_runtime()?.block_on(role.run()),
        Verb::Policy(policy) => small_runtime()?.block_on(policy.run()),
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
