//! Coming in by the real binary: invited users, second factors, and the way back for the first admin.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::second_factor::{code, set_up};
use support::terminal::Terminal;
use support::verbs::{Verbs, refusal, success};
use support::{ControlPlane, PASSWORD, Process, client, command, control_plane, directory};

const ANY: (&str, &str) = ("127.0.0.1:0", "127.0.0.1:0");
const OWN: &str = "a passphrase of my own";

/// Invites a user; gives its one-time password.
fn invite(admin: &Verbs, name: &str) -> String {
    one_time(name, &admin.told(&["user", "invite", name]).1)
}

fn one_time(name: &str, told: &str) -> String {
    let line = told.lines().find_map(|line| line.strip_prefix(&format!("one-time password of {name}: ")));
    line.unwrap_or_else(|| panic!("no password in {told:?}")).to_owned()
}

fn login(verbs: &Verbs, name: &str, more: &[&str]) -> Command {
    verbs.command(&[&["login", "--username", name, "--password-stdin"], more].concat())
}

/// Runs a command with this on its standard input.
fn with_input(mut command: Command, input: &str) -> Command {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writeln!(writer, "{input}").unwrap();
    command.stdin(Stdio::from(reader));
    command
}

async fn may_log_in(control: &ControlPlane, name: &str, password: &str) -> u16 {
    let request = client().get(format!("{}/api/me", control.api.base)).basic_auth(name, Some(password));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_invited_user_chooses_a_password_and_is_in() {
    let dir = directory();
    let control = control_plane(dir.path(), ANY);
    let admin = Verbs::of(&control).await;
    let once = invite(&admin, "ann");
    let ann = admin.by(None);

    let nothing_chosen = refusal(with_input(login(&ann, "ann", &[]), &once));
    assert!(nothing_chosen.contains("--new-password-file FILE or FLOTILLA_NEW_PASSWORD"), "{nothing_chosen}");
    let short = ann.file("short", "short\n").display().to_string();
    let too_short = refusal(with_input(login(&ann, "ann", &["--new-password-file", &short]), &once));
    assert!(too_short.contains("/new_password") && too_short.contains("at least 8 characters"), "{too_short}");
    let chosen = ann.file("chosen", &format!("{OWN}\n")).display().to_string();
    success(with_input(login(&ann, "ann", &["--new-password-file", &chosen]), &once));

    let kept = ann.home().join("flotilla/login.toml");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(ann.json(&["token", "list"]).as_array().unwrap().len(), 1, "the one that login made");
    assert_eq!((may_log_in(&control, "ann", &once).await, may_log_in(&control, "ann", OWN).await), (401, 200));
    assert_eq!(admin.json(&["user", "sessions", "ann"]), json!([]), "login leaves no session behind");
}

#[tokio::test]
async fn at_a_terminal_passwords_are_asked_for_and_not_shown() {
    let dir = directory();
    let control = control_plane(dir.path(), ANY);
    let admin = Verbs::of(&control).await;
    let once = invite(&admin, "ann");
    let ann = admin.by(None);
    let mut terminal = Terminal::start(ann.command(&["login", "--username", "ann"]));
    terminal.answer("Password for ann: ", &once);
    terminal.answer("New password for ann: ", "typed wrongly");
    terminal.answer("The same once more: ", OWN);
    terminal.until("They differ.");
    terminal.answer("New password for ann: ", OWN);
    terminal.answer("The same once more: ", OWN);
    let (status, shown) = terminal.end();
    assert!(status.success() && shown.contains("logged in to"), "{shown}");
    for secret in [once.as_str(), OWN, "typed wrongly"] {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
    }
    assert_eq!(may_log_in(&control, "ann", OWN).await, 200);
}

#[tokio::test]
async fn a_second_factor_is_asked_for() {
    let dir = directory();
    let control = control_plane(dir.path(), ANY);
    let admin = Verbs::of(&control).await;
    let (once, ann) = (invite(&admin, "ann"), admin.by(None));
    let chosen = ann.file("chosen", OWN).display().to_string();
    success(with_input(login(&ann, "ann", &["--new-password-file", &chosen]), &once));
    let key = set_up(&control.api, ("ann", OWN)).await;

    let without = refusal(with_input(login(&ann, "ann", &[]), OWN));
    assert!(without.contains("--code or FLOTILLA_CODE"), "{without}");
    let wrong = refusal(with_input(login(&ann, "ann", &["--code", "000000"]), OWN));
    assert!(wrong.contains("the one-time code is wrong"), "{wrong}");
    let mut terminal = Terminal::start(ann.command(&["login", "--username", "ann"]));
    terminal.answer("Password for ann: ", OWN);
    terminal.answer("One-time code: ", &code(&key, 0));
    let (status, shown) = terminal.end();
    assert!(status.success() && shown.contains("logged in to"), "{shown}");
    let mut by_environment = with_input(login(&ann, "ann", &[]), OWN);
    by_environment.env("FLOTILLA_CODE", code(&key, 1));
    success(by_environment);
    assert_eq!(ann.json(&["token", "list"]).as_array().unwrap().len(), 1, "each login ends the token before");
    assert_eq!(admin.json(&["user", "sessions", "ann"]), json!([]), "login leaves no session behind");
}

/// Of what `login` keeps the field.
fn kept(verbs: &Verbs, field: &str) -> String {
    let text = std::fs::read_to_string(verbs.home().join("flotilla/login.toml")).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{field} = \"")));
    value.unwrap_or_else(|| panic!("no {field} in {text}")).trim_end_matches('"').to_owned()
}

fn keep(verbs: &Verbs, text: &str) {
    std::fs::write(verbs.home().join("flotilla/login.toml"), text).unwrap();
}

async fn is_good(control: &ControlPlane, token: &str) -> bool {
    let request = client().get(format!("{}/api/me", control.api.base)).header("X-API-KEY", token);
    request.send().await.unwrap().status() == 200
}

#[tokio::test]
async fn a_logout_ends_the_token_and_a_login_the_one_before() {
    let dir = directory();
    let control = control_plane(dir.path(), ANY);
    let admin = Verbs::at(&control);
    let none = admin.refused(&["logout"]);
    assert!(none.contains("not logged in: there is no") && none.contains("login.toml"), "{none}");
    assert!(admin.refused(&["logout", "--local"]).contains("not logged in"));

    let log_in = || success(with_input(login(&admin, "admin", &[]), PASSWORD));
    log_in();
    let first = kept(&admin, "token");
    let (_, told) = log_in();
    let second = kept(&admin, "token");
    assert_eq!((is_good(&control, &first).await, is_good(&control, &second).await), (false, true), "{told}");
    assert_eq!(told, "");

    let elsewhere = admin.refused(&["logout", "--server", "http://127.0.0.1:9"]);
    assert!(elsewhere.contains("there is no login for http://127.0.0.1:9") && is_good(&control, &second).await);
    assert_eq!(admin.json(&["logout"]), json!({ "server": control.api.base, "token_ended": true }));
    assert!(!is_good(&control, &second).await && !admin.home().join("flotilla/login.toml").exists());
    assert!(admin.refused(&["token", "list"]).contains("no token for"));

    log_in();
    let third = kept(&admin, "token");
    admin.told(&["token", "delete", &kept(&admin, "token_id")]);
    assert!(admin.text(&["logout"]).contains("the token was not good any more") && !is_good(&control, &third).await);

    log_in();
    let fourth = kept(&admin, "token");
    assert_eq!(admin.json(&["logout", "--local"]), json!({ "token_ended": false }));
    assert!(is_good(&control, &fourth).await && !admin.home().join("flotilla/login.toml").exists());

    // Another control plane's token is left alone, and the person is told of it.
    keep(&admin, "server = \"http://127.0.0.1:9\"\ntoken = \"a7ee-x\"\ntoken_id = \"x\"\n");
    let (_, told) = log_in();
    assert!(told.contains("for http://127.0.0.1:9, stays good"), "{told}");
    keep(&admin, &format!("server = \"{}\"\ntoken = \"{}\"\n", control.api.base, kept(&admin, "token")));
    let unknown = admin.refused(&["logout"]);
    assert!(unknown.contains("without its token's id") && unknown.contains("logout --local"), "{unknown}");

    log_in();
    assert!(control.process.stop().success());
    let away = admin.refused(&["logout"]);
    assert!(away.contains("still logged in to") && away.contains("logout --local"), "{away}");
    assert!(away.contains("no answer from") && admin.home().join("flotilla/login.toml").exists(), "{away}");
    admin.told(&["logout", "--local"]);
    assert!(!admin.home().join("flotilla/login.toml").exists());
}

#[tokio::test]
async fn a_locked_user_is_unlocked() {
    let dir = directory();
    let mut locking = fresh(dir.path());
    locking.env("FLOTILLA_ADMIN_PASSWORD", PASSWORD).args(["--login-lock-after", "2"]);
    let control = ControlPlane::of(Process::start(locking));
    let admin = Verbs::of(&control).await;
    let once = invite(&admin, "ann");
    for _ in 0..2 {
        assert_eq!(may_log_in(&control, "ann", "wrong").await, 401);
    }
    assert_eq!(may_log_in(&control, "ann", &once).await, 429);
    let locked = admin.json(&["user", "list"]);
    let ann = locked.as_array().unwrap().iter().find(|user| user["username"] == "ann").unwrap();
    assert!(ann["locked_until"].as_i64().unwrap() > 0, "{ann}");
    assert_eq!(admin.text(&["user", "unlock", "ann"]), "user ann is not locked\n");
    assert_eq!(may_log_in(&control, "ann", &once).await, 200);
    assert!(admin.refused(&["user", "unlock", "nobody"]).contains("\"nobody\" does not exist"));
}

#[tokio::test]
async fn who_lost_the_password_has_a_second_factor_still() {
    let dir = directory();
    let control = control_plane(dir.path(), ANY);
    let admin = Verbs::of(&control).await;
    let (once, leo) = (invite(&admin, "leo"), admin.by(None));
    let chosen = leo.file("chosen", OWN).display().to_string();
    success(with_input(login(&leo, "leo", &["--new-password-file", &chosen]), &once));
    let key = set_up(&control.api, ("leo", OWN)).await;
    let reset = one_time("leo", &admin.told(&["user", "reset-password", "leo"]).1);

    let mut terminal = Terminal::start(leo.command(&["login", "--username", "leo"]));
    terminal.answer("Password for leo: ", &reset);
    terminal.answer("One-time code: ", &code(&key, 0));
    terminal.answer("New password for leo: ", "another passphrase");
    terminal.answer("The same once more: ", "another passphrase");
    terminal.answer("The next one-time code: ", &code(&key, 1));
    let (status, shown) = terminal.end();
    assert!(status.success() && shown.contains("logged in to"), "{shown}");
}

fn recover(dir: &Path, more: &[&str]) -> Command {
    let mut command = command(&["control-plane", "recover-admin", "--output", "json", "--data-dir"]);
    command.arg(dir).args(more).env_remove("FLOTILLA_ADMIN_PASSWORD").stdin(Stdio::null());
    command
}

#[tokio::test]
async fn the_first_admin_comes_back_by_the_database_and_its_key() {
    let dir = directory();
    let control = control_plane(dir.path(), ANY);
    let admin = Verbs::of(&control).await;
    let body = json!({ "username": "admin", "password": PASSWORD });
    let begun = client().post(format!("{}/api/login", control.api.base)).json(&body).send().await.unwrap();
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    set_up(&control.api, ("admin", PASSWORD)).await;
    assert!(control.process.stop().success());

    let unsaid = refusal(recover(dir.path(), &[]));
    assert!(unsaid.contains("--new-password-file FILE or FLOTILLA_NEW_PASSWORD"), "{unsaid}");
    let with = |dir: &Path, password: &str| {
        let mut command = recover(dir, &[]);
        command.env("FLOTILLA_NEW_PASSWORD", password);
        command
    };
    let short = refusal(with(dir.path(), "short"));
    assert!(short.contains("at least 8 characters"), "{short}");
    let elsewhere = directory();
    let missing = refusal(with(elsewhere.path(), OWN));
    assert!(missing.contains("there is no database at") && missing.contains("--data-dir"), "{missing}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "nothing is made there");
    let mut other_key = with(dir.path(), OWN);
    other_key.env("FLOTILLA_MASTER_KEY", "00".repeat(32));
    refusal(other_key);
    let mut in_config = command(&["control-plane", "recover-admin", "--output", "json", "--config"]);
    let config = admin.file("control.toml", &format!("data_dir = {:?}\n", dir.path()));
    in_config.arg(config).env("FLOTILLA_NEW_PASSWORD", OWN);
    let (told, _) = success(in_config);
    let expected = json!({ "username": "admin", "second_factor_removed": true, "was_shut_out": false,
        "sessions_ended": 1, "built_in_login": true });
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), expected);
    assert!(!told.contains(OWN));

    let control = control_plane(dir.path(), ANY);
    assert_eq!(may_log_in(&control, "admin", PASSWORD).await, 401);
    assert_eq!(may_log_in(&control, "admin", OWN).await, 200, "without a code");
    let me = client().get(format!("{}/api/me", control.api.base)).header("cookie", cookie);
    assert_eq!(me.send().await.unwrap().status(), 401, "the session ended");
    let again = Verbs::at(&control);
    success(with_input(login(&again, "admin", &[]), OWN));
    let rows = again.json(&["audit", "list", "--event", "RecoverAdmin"]);
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    assert_eq!((&rows[0]["operator"], &rows[0]["resource_name"]), (&json!("system"), &json!("admin")));
    assert_eq!(rows[0]["detail"]["second_factor_removed"], true);
}

fn fresh(dir: &Path) -> Command {
    let mut command = command(&["control-plane", "--api-http-listen", ANY.0, "--channel-listen", ANY.1]);
    command.args(["--api-https-listen", "127.0.0.1:0", "--data-dir"]).arg(dir).env_remove("FLOTILLA_ADMIN_PASSWORD");
    command
}

#[tokio::test]
async fn a_made_up_password_is_written_where_only_its_owner_reads() {
    let dir = directory();
    let file = dir.path().join("first-admin-password");
    let control = ControlPlane::of(Process::start(fresh(dir.path())));
    let line = control.process.before.iter().find(|line| line.starts_with("first admin: admin")).unwrap().clone();
    assert!(line.contains(&file.display().to_string()), "{line}");
    let password = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!control.process.before.concat().contains(password.trim()), "it is in what a container's log keeps");
    assert_eq!(may_log_in(&control, "admin", password.trim()).await, 200);

    // A person at a terminal is told.
    let dir = directory();
    let mut terminal = Terminal::start(fresh(dir.path()));
    terminal.until("ready api=");
    let password = terminal.shown.lines().find_map(|line| line.strip_prefix("first admin: admin / ")).unwrap();
    assert!(password.trim().len() >= 40 && !dir.path().join("first-admin-password").exists(), "{}", terminal.shown);
}
