//! `LocalSet` with several pollers, the state that it keeps for them, and destructors that run in
//! its drop. (`fairness/local.rs` tests its order and its turns, `local_frames.rs` its frames.)

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod drops;
mod pollers;
mod state;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use framewise::task::{JoinHandle, LocalSet};

fn poll_with<F: Future>(future: std::pin::Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Spawns a local task that stores its waker here and ends when the waker is called.
fn task_with_waker(set: &LocalSet) -> (JoinHandle<u64>, Rc<RefCell<Option<Waker>>>) {
    let left: Rc<RefCell<Option<Waker>>> = Rc::default();
    let task = set.spawn_local({
        let left = Rc::clone(&left);
        async move {
            framewise_test_support::pause(|waker| *left.borrow_mut() = Some(waker.clone())).await;
            7
        }
    });
    (task, left)
}
