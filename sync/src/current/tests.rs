//! Guards in and out of order, and the ends of threads.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;
use std::thread;

use super::CurrentGuard;

crate::current_handle! {
    static CURRENT: Arc<u32>;
}

fn enter(number: u32) -> CurrentGuard<Arc<u32>> {
    CURRENT.enter(Some(Arc::new(number)))
}

fn current() -> Option<u32> {
    CURRENT.get().map(|handle| *handle)
}

#[test]
fn a_guard_restores_the_handle_that_it_found() {
    let outer = enter(1);
    let inner = CURRENT.enter(None);
    assert_eq!(current(), None);
    drop(inner);
    assert_eq!(current(), Some(1));
    drop(outer);
    assert_eq!(current(), None);
}

#[test]
fn a_guard_that_is_dropped_out_of_order_restores_what_it_found() {
    let outer = enter(1);
    let inner = enter(2);
    drop(outer);
    assert_eq!(current(), None);
    drop(inner);
    assert_eq!(current(), Some(1));
}

#[test]
fn a_forgotten_guard_keeps_its_handle_until_the_threads_end_only() {
    let handle = Arc::new(1);
    let in_thread = Arc::clone(&handle);
    thread::spawn(move || mem::forget(CURRENT.enter(Some(in_thread))))
        .join()
        .expect("no panic");
    assert_eq!(Arc::strong_count(&handle), 1);
}

/// Calls its closure when it is dropped, with its thread.
struct AtEnd(Box<dyn FnOnce()>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        mem::replace(&mut self.0, Box::new(|| ()))();
    }
}

#[test]
fn a_handle_can_be_entered_in_the_destructor_of_another_thread_local() {
    thread_local! {
        static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    }
    let (sender, seen) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        // Registered first, so it is dropped after the cleanup of `CURRENT`.
        AT_END.with(|at_end| {
            at_end.replace(Some(AtEnd(Box::new(move || {
                let before = current();
                let guard = enter(2);
                let within = current();
                drop(guard);
                let _ = sender.send((before, within, current()));
            }))))
        });
        mem::forget(enter(1));
    });
    thread.join().expect("no panic");
    assert_eq!(seen.recv(), Ok((None, Some(2), None)));
}
