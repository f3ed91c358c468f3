//! Name look-ups: the answer of another thread beside polls and the end of the future.

use std::io;
use std::pin::pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Waker};

use framewise_io::IoHandle;
use framewise_io::model::lookup;
use framewise_loom_tests::{DropTracker, TestWaker, model};
use framewise_sync::{Arc, Mutex, thread};

use crate::{Job, block_on, driver_with, join};

/// A pool with one thread for each job.
fn threads(job: Job) -> io::Result<()> {
    thread::spawn(job);
    Ok(())
}

fn look_up(handle: &IoHandle) -> impl Future<Output = io::Result<Vec<std::net::SocketAddr>>> {
    let handle = handle.clone();
    async move {
        let _entered = handle.enter();
        lookup("127.0.0.1", 80).await
    }
}

/// Race: the answer arrives before, while and after the task polls. Failure: a deadlock.
#[test]
fn an_answer_meets_a_poll() {
    model("look-up: answer × poll", || {
        let (_driver, handle, _) = driver_with(threads);
        let found = block_on(look_up(&handle)).unwrap();
        assert_eq!(found, [([127, 0, 0, 1], 80).into()]);
    });
}

/// Race: the task polls a second time, with another waker. Failure: a deadlock, because the answer
/// woke the first waker.
#[test]
fn an_answer_meets_another_waker() {
    model("look-up: answer × poll × poll with another waker", || {
        let (_driver, handle, _) = driver_with(threads);
        let mut looking = pin!(look_up(&handle));
        if TestWaker::new().poll(&mut looking).is_pending() {
            block_on(looking).unwrap();
        }
    });
}

/// Race: the future is dropped while the answer arrives. Failure: a waker is left.
#[test]
fn an_answer_meets_the_end_of_the_future() {
    model("look-up: answer × future dropped", || {
        let answering = Arc::new(Mutex::new(None));
        let (_driver, handle, _) = driver_with({
            let answering = Arc::clone(&answering);
            move |job| {
                *answering.lock() = Some(thread::spawn(job));
                Ok(())
            }
        });
        let (owned, watch) = DropTracker::new();
        let waker = Waker::from(StdArc::new(OwningWaker(owned)));
        {
            let mut looking = pin!(look_up(&handle));
            let _ = looking.as_mut().poll(&mut Context::from_waker(&waker));
        }
        let answering = answering.lock().take();
        join(answering.unwrap());
        // After the other thread has finished: loom does not see the counts of `std`'s `Arc`.
        drop(waker);
        assert!(watch.is_dropped(), "a waker is left");
    });
}

/// A waker that is used when it is woken, and whose drop is observed.
struct OwningWaker(DropTracker);

impl std::task::Wake for OwningWaker {
    fn wake(self: StdArc<Self>) {
        self.0.touch();
    }
}

/// Race: the pool drops the closure on a thread of its own. Failure: a deadlock.
#[test]
fn a_closure_that_is_dropped_meets_a_poll() {
    model("look-up: closure dropped × poll", || {
        let (_driver, handle, _) = driver_with(|job| {
            thread::spawn(move || drop(job));
            Ok(())
        });
        assert!(block_on(look_up(&handle)).is_err());
    });
}

/// The pool rejects the job: its reason is returned, and no thread waits. (The only race is with a
/// pool that drops the closure later.)
#[test]
fn a_pool_that_rejects_is_an_error() {
    model("look-up: rejected × closure dropped", || {
        let (_driver, handle, _) = driver_with(|job| {
            thread::spawn(move || drop(job));
            Err(io::ErrorKind::QuotaExceeded.into())
        });
        let error = block_on(look_up(&handle)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    });
}
