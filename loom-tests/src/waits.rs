//! Waits for readiness, and the driver's part in an event.

use std::pin::pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Waker};

use framewise_io::model::{ControlledWaker, Readiness};
use framewise_io::{Direction, Interest, Ready};

use crate::test_waker::TestWaker;

const NO_CONTROL: &str = "the waiter is at the root, under no deadline";

/// Sets readiness and wakes the waiters, in the driver's order.
pub fn drive(readiness: &Readiness, ready: Ready) {
    let mut wakers: Vec<ControlledWaker> = Vec::new();
    let _ = readiness.set(ready, &mut wakers);
    wakers.into_iter().for_each(ControlledWaker::wake);
}

/// Waits in the direction's slot until it is ready. Returns `true` if the driver has shut down.
pub fn wait_in_slot(readiness: &Readiness, direction: Direction) -> bool {
    let test_waker = TestWaker::new();
    let waker = Waker::from(StdArc::clone(&test_waker));
    let mut cx = Context::from_waker(&waker);
    loop {
        match readiness.poll_ready(&mut cx, direction) {
            Poll::Ready(event) => return event.expect(NO_CONTROL).is_shutdown(),
            Poll::Pending => test_waker.wait(),
        }
    }
}

/// Waits in the list until it is ready. Returns `true` if the driver has shut down.
pub fn wait_in_list(readiness: &Readiness, interest: Interest) -> bool {
    let test_waker = TestWaker::new();
    let waker = Waker::from(StdArc::clone(&test_waker));
    let mut cx = Context::from_waker(&waker);
    let mut wait = pin!(readiness.wait(interest));
    loop {
        match wait.as_mut().poll(&mut cx) {
            Poll::Ready(event) => return event.expect(NO_CONTROL).is_shutdown(),
            Poll::Pending => test_waker.wait(),
        }
    }
}
