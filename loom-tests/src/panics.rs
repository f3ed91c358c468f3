//! Detects panics that were caught: a task catches those of its future, and loom's reports are
//! panics too.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// `true` if an execution panicked, even if the panic was caught. loom and shuttle run all
    /// threads of a model on their caller's thread, so this belongs to one model.
    static PANICKED: Cell<bool> = const { Cell::new(false) };

    /// How the messages of the model's own panics begin. Any other panic fails the model.
    static PLANNED: Cell<&'static [&'static str]> = const { Cell::new(&[]) };
}

/// Records this thread's panics from now on, except those whose message begins with a text of
/// `planned`.
pub(crate) fn record_panics(planned: &'static [&'static str]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if is_planned(info) {
                return;
            }
            // If the thread-local is gone, the thread is ending and runs no model.
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

/// Asserts between two executions that no panic was recorded.
pub(crate) fn assert_no_panic_caught() {
    assert!(
        !PANICKED.with(Cell::get),
        "an execution panicked, and something caught it: see above"
    );
}
