//! The waker's references, which no other test can count.

use std::sync::Arc;
use std::task::Waker;

use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::thread;

use super::ThreadWaker;

#[test]
fn each_way_to_use_a_waker_up_gives_its_reference_back() {
    let thread_waker = Arc::new(ThreadWaker {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = thread_waker.waker();
    let clone = waker.clone();
    assert_eq!(Arc::strong_count(&thread_waker), 3);
    clone.wake_by_ref();
    assert!(thread_waker.woken.swap(false, Ordering::Relaxed));
    assert_eq!(Arc::strong_count(&thread_waker), 3);
    Waker::wake(clone);
    assert!(thread_waker.woken.load(Ordering::Relaxed));
    assert_eq!(Arc::strong_count(&thread_waker), 2);
    drop(waker);
    assert_eq!(Arc::strong_count(&thread_waker), 1);
}
