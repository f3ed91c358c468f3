//! How a model is run: its bounds, saying what they were, and hearing of panics that were caught.

use std::cell::Cell;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};

/// Preemptions a thread may suffer in one execution, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
const DEFAULT_PREEMPTION_BOUND: usize = 2;

thread_local! {
    /// Whether an execution panicked, also where the panic was caught. loom runs all threads of a
    /// model on the one that called it, so this is the model's own.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` under every interleaving within the preemption bound and prints how many there
/// were.
///
/// No limit on permutations or time is set, so a model that returns was exhausted within its
/// bound; loom reports a cut-off run as a success, which is why none is allowed here.
///
/// # Panics
///
/// Panics when an execution fails, also where the failure was caught (a task catches the panics of
/// its future, loom's reports among them), and when the environment asks for a cut-off.
pub fn model(name: &str, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    assert!(
        builder.max_permutations.is_none() && builder.max_duration.is_none(),
        "a model that is cut off would be reported as passed: \
         unset LOOM_MAX_PERMUTATIONS and LOOM_MAX_DURATION"
    );
    builder
        .preemption_bound
        .get_or_insert(DEFAULT_PREEMPTION_BOUND);
    let bound = builder.preemption_bound;
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&executions);
    listen_for_panics();
    builder.check(move || {
        no_panic_was_caught();
        counted.fetch_add(1, Ordering::Relaxed);
        body();
    });
    no_panic_was_caught();
    let executions = executions.load(Ordering::Relaxed);
    println!("model {name}: {executions} executions, preemption bound {bound:?}, exhausted");
}

fn listen_for_panics() {
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

fn no_panic_was_caught() {
    assert!(
        !PANICKED.with(Cell::get),
        "an execution panicked, and something caught it: see above"
    );
}
