//! Sends the audit log elsewhere as it is recorded: to a webhook or to a syslog server.
//!
//! Rows arrive at least once and, within a chain, in order. Nothing is kept in memory but the batch under way: the
//! cursor lies in the database, so a sink that is gone costs waiting rows there and nothing here. Of all replicas one
//! sends; when it ends without saying so, another takes over once its time is up.

mod syslog;
mod webhook;

use std::time::{Duration, Instant};

use control::audit::StreamTarget;
use control::{Control, ControlError};
use rand::RngExt;
use store::audit::{AuditRow, Batch};
use tokio_util::sync::CancellationToken;

use syslog::SyslogSink;
use webhook::WebhookSink;

/// The pace of a stream.
#[derive(Debug, Clone)]
pub struct StreamPace {
    /// How often new rows are looked for.
    pub idle: Duration,
    /// Longest time for one batch.
    pub deadline: Duration,
    /// Wait after the first failure; it doubles with each further one, and is spread by chance.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// How long the right to send lasts; longer than a wait and a batch together.
    pub hold: Duration,
    /// Most rows of a batch.
    pub batch: u32,
}

impl Default for StreamPace {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(1),
            deadline: Duration::from_secs(10),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            hold: Duration::from_secs(60),
            batch: 100,
        }
    }
}

/// Why a batch did not arrive.
#[derive(Debug, thiserror::Error)]
enum SinkError {
    #[error("{0}")]
    Refused(String),
    #[error("no answer within {} s", .0.as_secs())]
    TooLate(Duration),
    #[error("a row cannot be written out: {0}")]
    Row(#[from] serde_json::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

enum Sink {
    Webhook(WebhookSink),
    Syslog(SyslogSink),
}

impl Sink {
    fn of(target: &StreamTarget, pace: &StreamPace) -> Result<Self, SinkError> {
        Ok(match target {
            StreamTarget::Webhook(webhook) => Sink::Webhook(WebhookSink::new(webhook.clone(), pace.deadline)?),
            StreamTarget::Syslog(syslog) => Sink::Syslog(SyslogSink::new(syslog.clone())),
        })
    }

    async fn send(&mut self, rows: &[AuditRow]) -> Result<(), SinkError> {
        match self {
            Sink::Webhook(sink) => sink.send(rows).await,
            Sink::Syslog(sink) => sink.send(rows).await,
        }
    }
}

/// Streams until `stop`, wherever the settings of the audit log say.
pub async fn run(control: Control, pace: StreamPace, stop: CancellationToken) {
    let holder = uuid::Uuid::new_v4().to_string();
    let mut sender = Sender { control, pace, holder, sink: None, held_until: None, failures: 0, reachable: true };
    loop {
        let turn = async {
            let pause = sender.turn().await;
            tokio::time::sleep(pause).await;
        };
        // A batch cut off here is sent once more by whoever goes on.
        tokio::select! {
            () = turn => {}
            () = stop.cancelled() => break,
        }
    }
    if let Err(error) = sender.control.release_audit_stream(&sender.holder).await {
        tracing::debug!(%error, "the audit stream was not released; another replica waits until its time is up");
    }
}

/// This process's part in the stream.
struct Sender {
    control: Control,
    pace: StreamPace,
    holder: String,
    /// The open sink, and what it was opened for.
    sink: Option<(StreamTarget, Sink)>,
    /// The right to send is ours at least until then.
    held_until: Option<Instant>,
    failures: u32,
    reachable: bool,
}

impl Sender {
    /// One batch, if there is one to send and it is ours to send; returns how long to wait then.
    async fn turn(&mut self) -> Duration {
        let batch = match self.next().await {
            Ok(Some(batch)) => batch,
            Ok(None) => return self.pace.idle,
            Err(error) => {
                if std::mem::take(&mut self.reachable) {
                    tracing::warn!(%error, "the audit stream cannot read the log; trying on");
                }
                return self.wait();
            }
        };
        self.reachable = true;
        match self.send(&batch).await {
            Ok(()) => self.arrived(&batch).await,
            Err(error) => self.failed(&error.to_string()).await,
        }
    }

    async fn next(&mut self) -> Result<Option<Batch>, ControlError> {
        let Some(target) = self.control.audit_stream_target().await? else {
            (self.sink, self.held_until) = (None, None);
            return Ok(None);
        };
        if !self.hold().await? {
            self.sink = None;
            return Ok(None);
        }
        if self.sink.as_ref().is_none_or(|(open, _)| *open != target) {
            let sink = Sink::of(&target, &self.pace).map_err(|error| ControlError::Internal(error.to_string()))?;
            self.sink = Some((target, sink));
        }
        self.control.next_audit_batch(self.pace.batch).await
    }

    /// Whether the right to send is ours. It is prolonged when half of it is over: an idle stream should not write much.
    async fn hold(&mut self) -> Result<bool, ControlError> {
        let now = Instant::now();
        if self.held_until.is_some_and(|until| now + self.pace.hold / 2 < until) {
            return Ok(true);
        }
        self.held_until = None;
        let held = self.control.hold_audit_stream(&self.holder, self.pace.hold).await?;
        self.held_until = held.then(|| now + self.pace.hold);
        Ok(held)
    }

    async fn send(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let Some((_, sink)) = &mut self.sink else { return Ok(()) };
        let deadline = self.pace.deadline;
        let sent = tokio::time::timeout(deadline, sink.send(&batch.rows)).await;
        sent.unwrap_or(Err(SinkError::TooLate(deadline)))
    }

    async fn arrived(&mut self, batch: &Batch) -> Duration {
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!("the audit stream arrives again");
        }
        if batch.lost > 0 {
            tracing::warn!(rows = batch.lost, scope = %batch.scope, "rows were gone before the audit stream could send them");
        }
        match self.control.audit_batch_arrived(&self.holder, batch).await {
            Ok(true) => Duration::ZERO,
            // Another replica took over, or the stream ended.
            Ok(false) => {
                self.held_until = None;
                self.pace.idle
            }
            // It will be sent once more.
            Err(error) => {
                tracing::warn!(%error, "where the audit stream is could not be written down");
                self.pace.first_wait
            }
        }
    }

    async fn failed(&mut self, why: &str) -> Duration {
        if self.failures == 0 {
            tracing::warn!(%why, "the audit stream does not arrive; trying on");
        }
        // Whatever state it was in: begin anew.
        self.sink = None;
        if let Err(error) = self.control.audit_batch_failed(&self.holder, why).await {
            tracing::debug!(%error, "a failure of the audit stream could not be counted");
        }
        self.wait()
    }

    /// Half of the wait is fixed, half is by chance.
    fn wait(&mut self) -> Duration {
        let doubled = self.pace.first_wait.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let half = doubled.min(self.pace.longest_wait) / 2;
        half + half.mul_f64(rand::rng().random())
    }
}
