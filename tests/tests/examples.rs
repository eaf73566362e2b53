//! Every file of `examples/` is loaded into a real `flotilla up` by the Admin API and proven by its own requests.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/example/mod.rs"]
mod example;
mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use example::answer::Answer;
use example::caller::Call;
use example::format::{Example, Step};
use example::gateway::Loader;
use example::names::Names;
use example::upstream::Upstream;
use tokio::task::JoinHandle;

const FEWEST: usize = 20;
const DEADLINE: Duration = Duration::from_secs(30);

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("../examples").expect("examples").map(|entry| entry.expect("entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_name().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn every_example_is_told_of() {
    let text = std::fs::read_to_string("../docs/EXAMPLES.md").expect("docs/EXAMPLES.md");
    let untold: Vec<_> =
        files().iter().map(|file| name(file)).filter(|name| !text.contains(&format!("`examples/{name}`"))).collect();
    assert!(untold.is_empty(), "docs/EXAMPLES.md does not name {untold:?}");
}

#[tokio::test]
async fn examples_do_what_they_say() {
    let files = files();
    assert!(files.len() >= FEWEST, "only {} examples are there", files.len());
    let dir = support::directory();
    let mut bench = Bench::start(dir.path()).await.expect("flotilla up and its upstreams");
    let mut failures = Vec::new();
    for file in &files {
        if let Err(error) = bench.prove(file).await {
            failures.push(format!("{}: {error:#}", name(file)));
        }
    }
    assert!(failures.is_empty(), "{} of {} examples fail:\n{}", failures.len(), files.len(), failures.join("\n"));
    bench.loader.stop().expect("an orderly end");
}

/// What examples are tried on.
struct Bench {
    loader: Loader,
    upstreams: [Upstream; 2],
    names: Names,
}

impl Bench {
    async fn start(dir: &Path) -> anyhow::Result<Self> {
        let upstreams = [Upstream::start("upstream").await?, Upstream::start("upstream_b").await?];
        let mut names = Names::default();
        names.add_upstream("upstream", upstreams[0].address);
        names.add_upstream("upstream_b", upstreams[1].address);
        Ok(Self { loader: Loader::start(dir)?, upstreams, names })
    }

    async fn prove(&mut self, file: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(file)?;
        let example = Example::parse(self.names.fill(serde_json::from_str(&text)?)?)?;
        let proven = match self.loader.load(&example).await {
            Ok(()) => self.make_requests(&example).await,
            Err(error) => Err(error),
        };
        self.upstreams.iter().for_each(Upstream::reset);
        let unloaded = self.loader.unload().await.context("its removal");
        proven.and(unloaded)
    }

    async fn make_requests(&mut self, example: &Example) -> anyhow::Result<()> {
        let mut in_background = Vec::new();
        for (at, step) in example.requests.iter().enumerate() {
            let what = format!("request {} ({})", at + 1, step.request);
            if step.background {
                let calls = self.prepare(step).with_context(|| what.clone())?;
                let calls: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.make())).collect();
                in_background.push((what, step, calls));
            } else {
                self.take(step).await.context(what)?;
            }
        }
        for (what, step, calls) in in_background {
            let outcomes = answers(calls).await.with_context(|| what.clone())?;
            step.expect.check(&outcomes, &mut self.names).context(what)?;
        }
        Ok(())
    }

    async fn take(&mut self, step: &Step) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let mut outcomes = Vec::new();
            for call in self.prepare(step)? {
                outcomes.push(call.make().await);
            }
            let checked = step.expect.check(&outcomes, &mut self.names);
            if checked.is_ok() || !step.eventually || started.elapsed() > DEADLINE {
                return checked;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn prepare(&mut self, step: &Step) -> anyhow::Result<Vec<Call>> {
        let gateway = self.loader.gateway;
        (1..=step.times).map(|turn| Call::prepare(&step.turn(turn), gateway, &mut self.names)).collect()
    }
}

async fn answers(calls: Vec<JoinHandle<anyhow::Result<Answer>>>) -> anyhow::Result<Vec<anyhow::Result<Answer>>> {
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await?);
    }
    ensure!(!answers.is_empty(), "nothing was asked");
    Ok(answers)
}
