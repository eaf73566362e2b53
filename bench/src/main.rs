//! Measures the gateway and its peers side by side and prints what came out.
//!
//! The load generator and the upstream run in this process on one processor, the proxy under test alone on
//! another. `docs/BENCHMARKS.md` tells what is measured and how to read it.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![allow(clippy::print_stdout, reason = "the report is this program's output")]

mod answer;
mod case;
mod certificate;
mod churn;
mod cpu;
mod fleet;
mod floods;
mod footprint;
mod grpc;
mod histogram;
mod http;
mod idle;
mod load;
mod machine;
mod memory;
mod options;
mod paced;
mod page;
mod permissions;
mod plugins;
mod process;
mod propagation;
mod proxies;
mod report;
mod run;
mod sample;
mod statistics;
mod table;
mod target;
mod traffic;
mod upstream;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

fn main() -> Result<()> {
    let options = options::Options::parse().resolved();
    cpu::raise_file_limit();
    let mut dir = tempfile::Builder::new().prefix("flotilla-bench-").tempdir()?;
    if options.keep {
        dir.disable_cleanup(true);
        eprintln!("files: {}", dir.path().display());
    }
    clean_up_on_signals((!options.keep).then(|| dir.path().to_owned()))?;
    let report = run::run(&options, dir.path())?;
    println!("{}", report.markdown());
    if let Some(file) = &options.json {
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(file) = &options.write_docs {
        page::write(file, &report.markdown())?;
    }
    Ok(())
}

/// Ctrl-C and SIGTERM end the children too, which lead process groups of their own, and remove `files`.
fn clean_up_on_signals(files: Option<PathBuf>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        use tokio::signal::unix::{SignalKind, signal};
        runtime.block_on(async {
            let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            process::kill_all();
            files.map(std::fs::remove_dir_all);
            std::process::exit(130);
        });
    })?;
    Ok(())
}
