//! Long work that shows that it goes on.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// What is being done, on a terminal; silent elsewhere, and gone with its end.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn of(what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        let progress = Self(bar);
        progress.step(what);
        progress.0.enable_steady_tick(Duration::from_millis(100));
        progress
    }

    pub(crate) fn step(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    pub(crate) fn done(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}
