//! The load generator's loop.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connection::Connection;
use super::{MEASURING, Outcome, Pace, STOPPING, Shared, Target};
use crate::answer::Whole;
use crate::upstream::BODY_BYTES;

/// How long a stop, or a connection to be made anew, may wait.
const TICK: Duration = Duration::from_millis(20);
/// The grain of a paced load.
const PACE_TICK: Duration = Duration::from_millis(1);

pub(super) struct Generator {
    poll: Poll,
    target: Target,
    connections: Vec<Option<Connection>>,
    idle: Vec<usize>,
    schedule: Option<Schedule>,
    shared: Arc<Shared>,
    pub(super) outcome: Outcome,
    random: u64,
}

/// When the requests of a paced load are due.
struct Schedule {
    interval: Duration,
    next: Instant,
}

impl Generator {
    pub(super) fn new(target: Target, pace: Pace, shared: Arc<Shared>) -> io::Result<Self> {
        let schedule =
            pace.rate.map(|rate| Schedule { interval: Duration::from_secs(1) / rate.max(1), next: Instant::now() });
        Ok(Self {
            poll: Poll::new()?,
            target,
            connections: (0..pace.connections).map(|_| None).collect(),
            idle: Vec::new(),
            schedule,
            shared,
            outcome: Outcome::default(),
            random: 0x9E37_79B9_7F4A_7C15,
        })
    }

    pub(super) fn run(mut self) -> io::Result<Outcome> {
        let mut events = Events::with_capacity(1024);
        let mut reopen_at = Instant::now();
        loop {
            let phase = self.shared.phase.load(Ordering::Relaxed);
            if phase == STOPPING {
                return Ok(self.outcome);
            }
            if Instant::now() >= reopen_at {
                self.open_missing();
                reopen_at = Instant::now() + TICK;
            }
            self.send_due();
            let tick = if self.schedule.is_some() { PACE_TICK } else { TICK };
            match self.poll.poll(&mut events, Some(tick)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                self.read(event.token().0, phase == MEASURING);
            }
        }
    }

    pub(super) fn open_missing(&mut self) {
        for index in 0..self.connections.len() {
            if self.connections.get(index).is_some_and(Option::is_none)
                && let Err(error) = self.open(index)
            {
                self.fault(&error);
                return;
            }
        }
    }

    fn open(&mut self, index: usize) -> io::Result<()> {
        let mut connection = Connection::open(&self.target)?;
        self.poll.registry().register(&mut connection.socket, Token(index), Interest::READABLE)?;
        if let Some(slot) = self.connections.get_mut(index) {
            *slot = Some(connection);
        }
        self.idle.push(index);
        Ok(())
    }

    /// Puts idle connections to work: all of them, or as many as requests are due.
    fn send_due(&mut self) {
        let now = Instant::now();
        while let Some(index) = self.idle.pop() {
            let Some(due) = self.next_due(now) else {
                self.idle.push(index);
                return;
            };
            self.ask(index, due);
        }
    }

    fn next_due(&mut self, now: Instant) -> Option<Instant> {
        let Some(schedule) = &mut self.schedule else { return Some(now) };
        let due = schedule.next;
        (due <= now).then(|| {
            schedule.next += schedule.interval;
            // Being late by a tick is this generator's grain; being later is the proxy's doing.
            if now - due <= PACE_TICK * 2 { now } else { due }
        })
    }

    fn ask(&mut self, index: usize, due: Instant) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let random = self.random;
        if let Some(Some(connection)) = self.connections.get_mut(index)
            && let Err(error) = connection.ask(due, random)
        {
            self.close(index, Some(&error));
        }
    }

    fn read(&mut self, index: usize, measuring: bool) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        match connection.read() {
            Ok(None) => {}
            Ok(Some(answer)) => {
                let now = Instant::now();
                let asked = connection.asked.take();
                self.count(&answer, asked.filter(|_| measuring).map(|asked| now.saturating_duration_since(asked)));
                match (answer.closes, &self.schedule) {
                    (true, _) => self.close(index, None),
                    (false, None) => self.ask(index, now),
                    (false, Some(_)) => self.idle.push(index),
                }
            }
            Err(error) => self.close(index, Some(&error)),
        }
    }

    fn count(&mut self, answer: &Whole, latency: Option<Duration>) {
        self.shared.answers.fetch_add(1, Ordering::Relaxed);
        let is_right = answer.status == 200 && answer.body == BODY_BYTES;
        match latency {
            Some(latency) => self.outcome.latencies.record(latency),
            None if is_right => return,
            None => {}
        }
        if is_right {
            self.outcome.right += 1;
        } else {
            self.outcome.wrong += 1;
            self.outcome.first_fault.get_or_insert_with(|| format!("status {}, {} bytes", answer.status, answer.body));
        }
    }

    /// Gives the connection up. One that was idle may be closed by the server; that is no fault.
    fn close(&mut self, index: usize, error: Option<&io::Error>) {
        let closed = self.connections.get_mut(index).and_then(Option::take);
        self.idle.retain(|idle| *idle != index);
        if let (Some(error), true) = (error, closed.is_some_and(|connection| connection.asked.is_some())) {
            self.fault(error);
        }
    }

    fn fault(&mut self, error: &io::Error) {
        self.outcome.errors += 1;
        self.outcome.first_fault.get_or_insert_with(|| error.to_string());
    }
}
