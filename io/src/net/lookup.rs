//! Looking a name up on the blocking pool.
//!
//! Owns the one-shot between the pool's thread and the task that waits. It must not know the pool:
//! the executor has given the handle a function that runs a closure there.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::task::{Context, Poll, ready};

use framewise_context::{FramedWaker, coop};
use framewise_sync::{Arc, Mutex};

use crate::handle::IoHandle;

type Answer = io::Result<std::vec::IntoIter<SocketAddr>>;

#[derive(Default)]
struct Pending {
    answer: Option<Answer>,
    waker: Option<FramedWaker>,
}

/// The pool's end. Dropped without an answer, it answers that there will be none.
struct Responder(Arc<Mutex<Pending>>);

impl Responder {
    fn answer(&self, answer: Answer) {
        let waker = {
            let mut pending = self.0.lock();
            if pending.answer.is_some() {
                return;
            }
            pending.answer = Some(answer);
            pending.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // After an answer this does nothing, unless it has been taken: then nobody looks again.
        self.answer(Err(io::Error::other(
            "the look-up was not run: the runtime is shutting down",
        )));
    }
}

/// Looks `host` up.
pub(crate) async fn lookup(host: String, port: u16) -> Answer {
    let pending = Arc::new(Mutex::new(Pending::default()));
    let responder = Responder(Arc::clone(&pending));
    let handle = IoHandle::for_io()?;
    (handle.shared().blocking)(Box::new(move || {
        responder.answer((host.as_str(), port).to_socket_addrs());
    }))?;
    let waiting = Waiting(pending);
    poll_fn(|cx| poll_answer(&waiting.0, cx)).await
}

/// The task's end. Dropped before the answer, it takes its waker back: the pool's thread may work on
/// the look-up for long (C-48).
struct Waiting(Arc<Mutex<Pending>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        // Dropped outside of the lock.
        let waker = self.0.lock().waker.take();
        drop(waker);
    }
}

fn poll_answer(pending: &Mutex<Pending>, cx: &mut Context<'_>) -> Poll<Answer> {
    // The answer stays where it is until it is taken. No waker is called under the lock.
    let is_answered = pending.lock().answer.is_some();
    if is_answered {
        ready!(coop::poll_spend(cx));
    }
    let waker = FramedWaker::new(cx.waker());
    let (answer, unused) = {
        let mut pending = pending.lock();
        match pending.answer.take() {
            Some(answer) => (Poll::Ready(answer), Some(waker)),
            None => (Poll::Pending, pending.waker.replace(waker)),
        }
    };
    drop(unused);
    answer
}
