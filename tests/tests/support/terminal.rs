//! A process at a terminal, and somebody who types there.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);

/// Killed by its pid when dropped.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<String>,
    /// All that was shown by now.
    pub shown: String,
    /// How much of it was waited for.
    read: usize,
}

impl Terminal {
    pub fn start(mut command: Command) -> Self {
        let (mut master, mut slave) = (0, 0);
        let none = std::ptr::null_mut();
        // SAFETY: both places are ours, and the other three may be null.
        let made = unsafe { libc::openpty(&mut master, &mut slave, none, std::ptr::null(), std::ptr::null()) };
        assert_eq!(made, 0, "a terminal");
        // SAFETY: openpty has just opened both, and nobody else has them.
        let (keyboard, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        let end = || slave.try_clone().expect("an end");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("started");
        let mut screen = keyboard.try_clone().expect("a screen");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is the end: nobody has the other side open any more.
            while let Ok(length) = screen.read(&mut bytes) {
                if length == 0 || sender.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_err() {
                    break;
                }
            }
        });
        Self { child, keyboard, screen: receiver, shown: String::new(), read: 0 }
    }

    /// Waits until this is shown, after what was waited for before.
    pub fn until(&mut self, text: &str) {
        let started = Instant::now();
        loop {
            if let Some(place) = self.shown[self.read..].find(text) {
                self.read += place + text.len();
                return;
            }
            match self.screen.recv_timeout(DEADLINE.saturating_sub(started.elapsed())) {
                Ok(more) => self.shown.push_str(&more),
                Err(error) => panic!("{text:?} is not shown: {error}; shown: {}", self.shown),
            }
        }
    }

    /// Waits for a question and answers it.
    pub fn answer(&mut self, question: &str, answer: &str) {
        self.until(question);
        self.keyboard.write_all(format!("{answer}\n").as_bytes()).expect("typed");
    }

    /// Waits for the end; gives all that was shown.
    pub fn end(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("status") {
                break status;
            }
            assert!(started.elapsed() < DEADLINE, "does not end; shown: {}", self.shown);
            std::thread::sleep(Duration::from_millis(20));
        };
        while let Ok(more) = self.screen.recv_timeout(Duration::from_millis(200)) {
            self.shown.push_str(&more);
        }
        (status, std::mem::take(&mut self.shown))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
