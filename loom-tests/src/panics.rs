//! Hearing of panics that were caught: a task catches those of its future, a model's reports among
//! them.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// Whether an execution panicked, also where the panic was caught. loom and
    /// shuttle run all threads of a model on the one that called them, so this is the model's own.
    static PANICKED: Cell<bool> = const { Cell::new(false) };

    /// What the model's own panics say. Any other one fails the model.
    static PLANNED: Cell<&'static [&'static str]> = const { Cell::new(&[]) };
}

/// From now on this thread's panics are heard of, but for those that begin with `planned` words.
pub(crate) fn listen_for_panics(planned: &'static [&'static str]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if is_planned(info) {
                return;
            }
            // Without the thread-local the thread is at its end, and no model runs on it.
            let _ = PANICKED.try_with(|panicked| panicked.set(true));
            before(info);
        }));
    });
    PANICKED.with(|panicked| panicked.set(false));
    PLANNED.with(|words| words.set(planned));
}

fn is_planned(info: &PanicHookInfo<'_>) -> bool {
    let planned = PLANNED.try_with(Cell::get).unwrap_or_default();
    let payload = info.payload();
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    said.is_some_and(|said| planned.iter().any(|words| said.starts_with(words)))
}

/// Asked between two executions.
pub(crate) fn no_panic_was_caught() {
    assert!(
        !PANICKED.with(Cell::get),
        "an execution panicked, and something caught it: see above"
    );
}
