//! SIGTERM and ctrl-c: the first asks the server to stop, the second ends the process at once.

use std::future::poll_fn;
use std::io;
use std::process;
use std::task::Poll;

use framewise::signal::unix::{Signal, SignalKind, signal};

/// The exit code after a second signal.
pub(crate) const EXIT_AT_ONCE: i32 = 130;

/// The listeners to both signals.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// Fails if the operating system does not install a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first signal and returns its name. From then on the next one ends the process.
    pub(crate) async fn first(mut self) -> &'static str {
        let name = self.next().await;
        framewise::spawn_root(async move {
            self.next().await;
            process::exit(EXIT_AT_ONCE);
        });
        name
    }

    async fn next(&mut self) -> &'static str {
        poll_fn(|cx| {
            if let Poll::Ready(Some(())) = self.terminate.poll_recv(cx) {
                return Poll::Ready("SIGTERM");
            }
            if let Poll::Ready(Some(())) = self.interrupt.poll_recv(cx) {
                return Poll::Ready("SIGINT");
            }
            Poll::Pending
        })
        .await
    }
}
