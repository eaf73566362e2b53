//! `flotilla control-plane recover-admin`: the way back in when nobody can log in any more.

use std::path::PathBuf;

use clap::Args;
use control::iam::{Recovered, recover_first_admin};

use super::SettingsFile;
use crate::database::DatabaseArguments;
use crate::output::Output;
use crate::prompt::NewPassword;

/// Give the first admin a new password, without asking anybody: the database and its master key are proof enough.
///
/// Its second factor is removed, its sessions end, and it may come in again should it have been shut out. Its personal
/// tokens stay: `flotilla token list` shows them. The audit log has a row of it. The control plane may run meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flotilla control-plane recover-admin --data-dir /var/lib/flotilla
  flotilla control-plane recover-admin --config control.toml --new-password-file chosen")]
pub(crate) struct RecoverAdmin {
    /// Settings file of the control plane (TOML); what is given here or in the environment wins over it.
    #[arg(long, env = "FLOTILLA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArguments,
    #[command(flatten)]
    new_password: NewPassword,
    /// Form of the output.
    #[arg(long, short, env = "FLOTILLA_OUTPUT", default_value = "table")]
    output: Output,
}

impl RecoverAdmin {
    /// Opens the database, asks for the password, sets it; `before` is what was said ahead of the verb.
    pub(crate) async fn run(self, config: Option<PathBuf>, before: DatabaseArguments) -> anyhow::Result<()> {
        let file = self.config.or(config).as_deref().map(SettingsFile::read).transpose()?.unwrap_or_default();
        let store = self.database.or(before).or(file.database()).open_existing().await?;
        let password = self.new_password.obtain("the first admin")?;
        let recovered = recover_first_admin(&store, &password).await?;
        self.output.one(&shown(&recovered), |_| told(&recovered))
    }
}

fn shown(recovered: &Recovered) -> serde_json::Value {
    serde_json::json!({
        "username": recovered.username,
        "second_factor_removed": recovered.had_second_factor,
        "was_shut_out": recovered.was_shut_out,
        "sessions_ended": recovered.sessions_ended,
        "built_in_login": recovered.built_in_login,
    })
}

fn told(recovered: &Recovered) -> String {
    let mut lines = vec![format!("{} has a new password", recovered.username)];
    if recovered.had_second_factor {
        lines.push("its second factor is removed".to_owned());
    }
    if recovered.was_shut_out {
        lines.push("it was shut out, and may come in again".to_owned());
    }
    lines.push(format!("sessions ended: {}", recovered.sessions_ended));
    if !recovered.built_in_login {
        lines.push(
            "login by name and password is switched off: start the control plane with FLOTILLA_BUILT_IN_LOGIN=on"
                .to_owned(),
        );
    }
    lines.join("\n")
}
