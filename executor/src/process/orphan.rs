//! Collects the exits of processes whose [`Child`](super::Child) was dropped, so that none stays a
//! zombie.
//!
//! A process that still runs gets a task at the root, in the runtime that started it, or in the
//! current one if that has ended. If this runtime ends first, or there is none, the process goes to
//! a list, which the program's next start or drop of a child looks through.

use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::{io, mem};

use framewise_context::Frame;

use super::exit::Exit;
use crate::runtime::enter;
use crate::scheduler::idle::state::SchedulerOps;

/// Processes that have outlived their runtimes. (It is `std`'s lock, since what it guards is
/// `waitpid`, which no model can call.)
static LEFT: Mutex<Vec<Exit>> = Mutex::new(Vec::new());

/// A process that no task waits for, until it is collected.
struct Orphan(Option<Exit>);

impl Orphan {
    async fn collect(mut self) {
        if let Some(exit) = &mut self.0
            && exit.wait().await.is_ok()
        {
            self.0 = None;
        }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        if let Some(mut exit) = self.0.take()
            && is_running(exit.try_wait())
        {
            lock().push(exit);
        }
    }
}

/// Returns `true` if there is a process to wait for. An error means that its exit was taken by
/// other code.
fn is_running(asked: io::Result<Option<ExitStatus>>) -> bool {
    matches!(asked, Ok(None))
}

fn lock() -> std::sync::MutexGuard<'static, Vec<Exit>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sees to it that a process is collected when it ends.
pub(super) fn adopt(mut exit: Exit) {
    collect_left();
    if is_running(exit.try_wait()) {
        let home = exit.home();
        let runtime = match enter::current() {
            Some(current) if home.shared.is_closing() => current,
            _ => home,
        };
        // Its handle is dropped: there is no result.
        drop(runtime.spawn(Orphan(Some(exit)).collect(), Frame::root(), ()));
    }
}

/// Collects those that have outlived their runtimes and have ended.
pub(super) fn collect_left() {
    // Dropped without the lock: a process may hold the memory of an ended runtime, whose hooks are
    // user code.
    let mut left = mem::take(&mut *lock());
    left.retain_mut(|exit| is_running(exit.try_wait()));
    lock().append(&mut left);
}
