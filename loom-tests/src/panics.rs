//! Hearing of panics that were caught: a task catches those of its future, a model's reports among
//! them.

use std::cell::Cell;
use std::panic;
use std::sync::Once;

thread_local! {
    /// Whether an execution panicked, also where the panic was caught. loom and
    /// shuttle run all threads of a model on the one that called them, so this is the model's own.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// From now on this thread's panics are heard of.
pub(crate) fn listen_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Without the thread-local the thread is at its end, and no model runs on it.
            let _ = PANICKED.try_with(|panicked| panicked.set(true));
            before(info);
        }));
    });
    PANICKED.with(|panicked| panicked.set(false));
}

/// Asked between two executions.
pub(crate) fn no_panic_was_caught() {
    assert!(
        !PANICKED.with(Cell::get),
        "an execution panicked, and something caught it: see above"
    );
}
