//! Name look-ups on the blocking pool.
//!
//! Owns the one-shot channel between the pool's thread and the task that waits. It must not know
//! the pool: the executor gives the handle a function that runs a closure there.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll, ready};

use framewise_context::{control, coop};
use framewise_sync::{Arc, Mutex};

use crate::handle::{IoHandle, shutdown_error};
use crate::scheduled_io::controlled::ControlledWaker;

type LookupResult = io::Result<std::vec::IntoIter<SocketAddr>>;

#[derive(Default)]
struct Pending {
    result: Option<LookupResult>,
    waker: Option<ControlledWaker>,
}

/// The pool's end. If it is dropped without a result, the look-up fails.
struct Responder(Arc<Mutex<Pending>>);

impl Responder {
    fn complete(&self, result: LookupResult) {
        let waker = {
            let mut pending = self.0.lock();
            if pending.result.is_some() {
                return;
            }
            pending.result = Some(result);
            pending.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Has no effect after a result. If the result was taken, no task polls again.
        self.complete(Err(shutdown_error()));
    }
}

/// Looks up `host`. If the wait ends early, the look-up goes on in the pool, for no task.
pub(crate) async fn lookup(host: String, port: u16) -> LookupResult {
    poll_fn(control::poll_check).await?;
    let pending = Arc::new(Mutex::new(Pending::default()));
    let responder = Responder(Arc::clone(&pending));
    let handle = IoHandle::for_io()?;
    (handle.shared().blocking)(Box::new(move || {
        responder.complete((host.as_str(), port).to_socket_addrs());
    }))?;
    let waiting = Waiting(pending);
    poll_fn(|cx| poll_result(&waiting.0, cx)).await
}

/// The task's end. If it is dropped before the result, it drops its waker: the pool's thread may
/// work on the look-up for a long time (C-48).
struct Waiting(Arc<Mutex<Pending>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        // Dropped outside of the lock.
        let waker = self.0.lock().waker.take();
        drop(waker);
    }
}

fn poll_result(pending: &Mutex<Pending>, cx: &mut Context<'_>) -> Poll<LookupResult> {
    ready!(control::poll_check(cx))?;
    // The result stays where it is until it is taken. No waker is called under the lock.
    let is_complete = pending.lock().result.is_some();
    if is_complete {
        ready!(coop::poll_spend(cx));
    }
    let waker = ControlledWaker::new(cx.waker())?;
    let (result, unused) = {
        let mut pending = pending.lock();
        match pending.result.take() {
            Some(result) => (Poll::Ready(result), Some(waker)),
            None => (Poll::Pending, pending.waker.replace(waker)),
        }
    };
    drop(unused);
    result
}
