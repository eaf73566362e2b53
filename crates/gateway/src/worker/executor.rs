//! Where hyper's HTTP/2 runs the tasks of a connection: on the worker of the connection.

use std::future::Future;

/// Spawns on the current worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnWorker;

impl<F> hyper::rt::Executor<F> for OnWorker
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
