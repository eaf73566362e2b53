//! Where a control plane's database and its master key are.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use store::Store;

use crate::master_key;

/// The database and the master key that opens it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DatabaseArguments {
    /// Where the database file and the master key lie, unless they are elsewhere. [default: ./data]
    #[arg(long, env = "FLOTILLA_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Database: `postgres://user@host/name`, or `sqlite:///path`. Every user of the machine can read a process's
    /// arguments: give an address with a password in it by the environment variable FLOTILLA_DATABASE, or in the
    /// settings file. [default: SQLite in the data directory]
    #[arg(long, env = "FLOTILLA_DATABASE", hide_env_values = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// File with the master key, 64 hexadecimal digits. [default: master.key in the data directory, made on the first
    /// start]
    #[arg(long, env = "FLOTILLA_MASTER_KEY_FILE", value_name = "FILE")]
    pub(crate) master_key_file: Option<PathBuf>,
}

impl DatabaseArguments {
    /// What is given here, else what `other` says.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            database: self.database.or(other.database),
            master_key_file: self.master_key_file.or(other.master_key_file),
        }
    }

    /// The data directory in force.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| PathBuf::from("./data"))
    }

    /// Opens the database, which the first start makes.
    pub(crate) async fn open(&self) -> anyhow::Result<Store> {
        // A key that is lost with its directory is only right where the database lies there too.
        self.open_with(self.database.is_none()).await
    }

    /// Opens a database that is there.
    pub(crate) async fn open_existing(&self) -> anyhow::Result<Store> {
        let url = self.url()?;
        if let Some(file) = sqlite_file(&url)
            && !Path::new(file).exists()
        {
            bail!("there is no database at {file}: give --data-dir or --database as the control plane has it");
        }
        self.open_with(false).await
    }

    async fn open_with(&self, may_make_key: bool) -> anyhow::Result<Store> {
        let file = self.master_key_file.clone().unwrap_or_else(|| self.data_dir().join("master.key"));
        // Not an argument, where every user of the machine could read it.
        let given = std::env::var("FLOTILLA_MASTER_KEY").ok();
        let key = master_key::load(given.as_deref(), &file, may_make_key)?;
        Store::open(&self.url()?, key).await.context("cannot open the database")
    }

    fn url(&self) -> anyhow::Result<String> {
        match &self.database {
            Some(database) => Ok(database.clone()),
            None => Ok(format!("sqlite://{}", std::path::absolute(self.data_dir().join("flotilla.db"))?.display())),
        }
    }
}

/// The file of a SQLite address.
fn sqlite_file(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    path.split('?').next()
}
