//! The loop of connections that each have one request under way.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connection::Connection;
use super::outcome::{TICK, Tally};
use super::{Outcome, Pace, Protocol, STOPPING, Shared, Target};

/// The grain of a paced load.
const PACE_TICK: Duration = Duration::from_millis(1);

pub(super) struct Generator {
    poll: Poll,
    target: Target,
    connections: Vec<Option<Connection>>,
    idle: Vec<usize>,
    schedule: Option<Schedule>,
    pub(super) tally: Tally,
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
            tally: Tally::new(shared),
            random: 0x9E37_79B9_7F4A_7C15,
        })
    }

    pub(super) fn run(mut self) -> io::Result<Outcome> {
        let mut events = Events::with_capacity(1024);
        let mut reopen_at = Instant::now();
        while self.tally.phase() != STOPPING {
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
                self.read(event.token().0);
            }
        }
        Ok(self.tally.outcome)
    }

    pub(super) fn open_missing(&mut self) {
        for index in 0..self.connections.len() {
            if self.connections.get(index).is_some_and(Option::is_none) && !self.open(index) {
                return;
            }
        }
    }

    fn open(&mut self, index: usize) -> bool {
        match self.try_open(index) {
            Ok(()) => true,
            Err(error) => {
                self.tally.error(&error);
                false
            }
        }
    }

    fn try_open(&mut self, index: usize) -> io::Result<()> {
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
        let (random, which) = (self.random, self.tally.which());
        if let Some(Some(connection)) = self.connections.get_mut(index)
            && let Err(error) = connection.ask(due, random, which)
        {
            self.close(index, Some(&error));
        }
    }

    fn read(&mut self, index: usize) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        match connection.read() {
            Ok(None) => {}
            Ok(Some(reply)) => {
                let (asked, has_ended) = (connection.asked.take(), connection.ended);
                self.tally.count(reply.fault, asked);
                if has_ended || (reply.closes && self.target.protocol != Protocol::Handshakes) {
                    self.close(index, None);
                } else if self.target.protocol == Protocol::Handshakes {
                    // The server closes it: were we the first, our ports would soon all be waiting for late packets.
                } else if self.schedule.is_some() {
                    self.idle.push(index);
                } else {
                    self.ask(index, Instant::now());
                }
            }
            Err(error) => self.close(index, Some(&error)),
        }
    }

    /// Gives the connection up. One that was idle may be closed by the server; that is no fault.
    fn close(&mut self, index: usize, error: Option<&io::Error>) {
        let closed = self.connections.get_mut(index).and_then(Option::take);
        self.idle.retain(|idle| *idle != index);
        match (error, closed.is_some_and(|connection| connection.asked.is_some())) {
            (Some(error), true) => self.tally.error(error),
            _ if self.target.protocol == Protocol::Handshakes => {
                self.open(index);
            }
            _ => {}
        }
    }
}
