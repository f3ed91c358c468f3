//! How a model is run: its bounds, and saying what they were.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Preemptions a thread may suffer in one execution, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
const DEFAULT_PREEMPTION_BOUND: usize = 2;

/// Runs `body` under every interleaving within the preemption bound and prints how many there
/// were.
///
/// No limit on permutations or time is set, so a model that returns was exhausted within its
/// bound; loom reports a cut-off run as a success, which is why none is allowed here.
///
/// # Panics
///
/// Panics when an execution fails, and when the environment asks for a cut-off.
pub fn model(name: &str, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    assert!(
        builder.max_permutations.is_none() && builder.max_duration.is_none(),
        "a model that is cut off would be reported as passed: \
         unset LOOM_MAX_PERMUTATIONS and LOOM_MAX_DURATION"
    );
    builder.preemption_bound.get_or_insert(DEFAULT_PREEMPTION_BOUND);
    let bound = builder.preemption_bound;
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&executions);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        body();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("model {name}: {executions} executions, preemption bound {bound:?}, exhausted");
}
