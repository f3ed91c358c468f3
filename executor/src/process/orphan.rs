//! Collects the exits of processes whose [`Child`](super::Child) was dropped, so that none stays a
//! zombie.
//!
//! A process that still runs gets a task at the root, in the runtime that started it, or in the
//! current one if that has ended. If this runtime ends first, or there is none, the process goes to
//! a list, which the program's next start or drop of a child looks through.

use std::io;
use std::process::{Child as StdChild, ExitStatus};
use std::sync::{Mutex, PoisonError};

use framewise_context::Frame;

use super::exit::Exit;
use crate::runtime::enter;
use crate::scheduler::idle::state::SchedulerOps;
use crate::task::label::Internal;

/// Processes that have outlived their runtimes. Nothing of a runtime is kept. (It is `std`'s lock,
/// since what it guards is `waitpid`, which no model can call.)
static LEFT: Mutex<Vec<StdChild>> = Mutex::new(Vec::new());

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
            // Before the lock is taken: with the runtime's memory its hooks may go, which are user
            // code.
            let process = exit.into_process();
            lock().push(process);
        }
    }
}

/// Returns `true` if there is a process to wait for. An error means that its exit was taken by
/// other code.
fn is_running(asked: io::Result<Option<ExitStatus>>) -> bool {
    matches!(asked, Ok(None))
}

fn lock() -> std::sync::MutexGuard<'static, Vec<StdChild>> {
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
        drop(runtime.spawn(Orphan(Some(exit)).collect(), Frame::root(), Internal));
    }
}

/// Collects those that have outlived their runtimes and have ended.
pub(super) fn collect_left() {
    lock().retain_mut(|process| is_running(process.try_wait()));
}
