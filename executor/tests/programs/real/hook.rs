//! Who is told of panics: the process's hook and the runtime's.
//!
//! The message of a planned panic names its run and its statement.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, Weak};

use framewise::JoinError;

use super::run::{Run, lock};
use crate::expect::{Note, Role};

/// All runs, by their number.
static RUNS: Mutex<BTreeMap<u64, Weak<Run>>> = Mutex::new(BTreeMap::new());

const PLANNED: &str = "planned panic ";

thread_local! {
    /// The statement that panicked last on this thread.
    static LAST_PANIC: Cell<u32> = const { Cell::new(0) };
}

/// The number of a new run.
pub(super) fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Ordering: Relaxed; it only makes the numbers different.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(super) fn register(number: u64, run: &Arc<Run>) {
    lock(&RUNS).insert(number, Arc::downgrade(run));
}

pub(super) fn forget(number: u64) {
    lock(&RUNS).remove(&number);
}

/// The message of a statement's panic.
pub(super) fn message(number: u64, id: u32) -> String {
    format!("{PLANNED}{number} {id}")
}

/// The run and the statement that a panic's message names.
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

/// What a payload says, where it is one of ours.
pub(super) fn text(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<String>().map_or("", String::as_str)
}

/// Has the process's panic hook look at planned panics, and be silent about them.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let message = info.payload().downcast_ref::<String>();
            match run_of(message.map_or("", String::as_str)) {
                Some((run, id)) => {
                    run.look((id, Role::Hook), Note::Nothing);
                    LAST_PANIC.set(id);
                }
                None => before(info),
            }
        }));
    });
}

/// The panic that unwinds on this thread, where one does.
pub(super) fn last_panic() -> u32 {
    LAST_PANIC.get()
}

/// The panic of another thread goes on here: no hook is called for it.
pub(super) fn goes_on(payload: &(dyn Any + Send)) {
    if let Some((_, id)) = planned(text(payload)) {
        LAST_PANIC.set(id);
    }
}

/// For the runtimes: the panic of a task that nobody joins, or of a callback.
pub(crate) fn unhandled_panic(error: &JoinError) {
    let message = error.to_string();
    if let (Some((run, id)), Some(frame)) = (run_of(&message), error.frame()) {
        run.panicked(&message, frame);
        run.told_of(id);
    }
}
