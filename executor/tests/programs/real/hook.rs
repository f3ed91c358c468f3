//! The observers of panics: the process's hook and the runtime's.
//!
//! The message of a planned panic contains its run and its statement.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, Weak};

use framewise::JoinError;

use super::run::{Run, lock};
use crate::expect::{Note, Role};

/// All runs, by number.
static RUNS: Mutex<BTreeMap<u64, Weak<Run>>> = Mutex::new(BTreeMap::new());

const PLANNED: &str = "planned panic ";

thread_local! {
    /// The last statement that panicked on this thread.
    static LAST_PANIC: Cell<u32> = const { Cell::new(0) };
}

/// Returns the number of a new run.
pub(super) fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Ordering: Relaxed. The number only has to be unique; it publishes nothing.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(super) fn register(number: u64, run: &Arc<Run>) {
    lock(&RUNS).insert(number, Arc::downgrade(run));
}

pub(super) fn forget(number: u64) {
    lock(&RUNS).remove(&number);
}

/// Returns the message of a statement's panic.
pub(super) fn message(number: u64, id: u32) -> String {
    format!("{PLANNED}{number} {id}")
}

/// Returns the run and the statement in a panic's message.
pub(super) fn planned(message: &str) -> Option<(u64, u32)> {
    let (_, names) = message.split_once(PLANNED)?;
    let (run, id) = names.split_once(' ')?;
    Some((run.parse().ok()?, id.parse().ok()?))
}

fn run_of(message: &str) -> Option<(Arc<Run>, u32)> {
    let (number, id) = planned(message)?;
    let run = lock(&RUNS).get(&number)?.upgrade()?;
    Some((run, id))
}

/// Returns the text of a payload, if it is from a planned panic.
pub(super) fn text(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<String>().map_or("", String::as_str)
}

/// Installs a panic hook that observes planned panics without printing them.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let message = info.payload().downcast_ref::<String>();
            match run_of(message.map_or("", String::as_str)) {
                Some((run, id)) => {
                    run.observe((id, Role::Hook), Note::Nothing);
                    LAST_PANIC.set(id);
                }
                None => before(info),
            }
        }));
    });
}

/// Returns the statement whose panic unwinds on this thread.
pub(super) fn last_panic() -> u32 {
    LAST_PANIC.get()
}

/// Records that another thread's panic continues here; no hook is called for it.
pub(super) fn goes_on(payload: &(dyn Any + Send)) {
    if let Some((_, id)) = planned(text(payload)) {
        LAST_PANIC.set(id);
    }
}

/// The runtimes' hook for unhandled panics: of a detached task or of a callback.
pub(crate) fn unhandled_panic(error: &JoinError) {
    let message = error.to_string();
    if let (Some((run, id)), Some(frame)) = (run_of(&message), error.frame()) {
        run.panicked(&message, frame);
        run.reported(id);
    }
}
