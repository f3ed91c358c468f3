//! A runtime without threads, in a model: a thread enters it, and panics are reported to it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use framewise_io::IoDriver;
use framewise_sync::atomic::{AtomicUsize, Ordering};

use crate::blocking::BlockingPool;
use crate::panics::PanicHook;
use crate::runtime::{Flavor, ThreadSettings, enter};
use crate::scheduler::shared::Shared;
use crate::scheduler::spawner::Spawner;

/// The shipped common state of a runtime without workers, with a hook that counts panics.
pub struct ModelRuntime {
    spawner: Arc<Spawner>,
    reports: framewise_sync::Arc<AtomicUsize>,
}

impl ModelRuntime {
    /// Creates a runtime to which no panic was reported.
    pub fn new() -> Self {
        let reports = framewise_sync::Arc::new(AtomicUsize::new(0));
        let hook: PanicHook = Arc::new({
            let reports = framewise_sync::Arc::clone(&reports);
            move |error| {
                assert!(error.is_panic(), "the hook is called for panics only");
                // Ordering: Relaxed. Read after the reporting threads were joined.
                reports.fetch_add(1, Ordering::Relaxed);
            }
        });
        let reject = Arc::new(|_| Err(io::Error::other("the model looks up no names")));
        let (driver, io) = IoDriver::new(reject).expect("the kernel of the model does not fail");
        let blocking = BlockingPool::new(0, Duration::ZERO, ThreadSettings::default(), None);
        let (shared, _no_queues) =
            Shared::new(0, driver, io, blocking, Some(hook), Flavor::MultiThread);
        let outside = shared.outside();
        Self {
            spawner: Spawner::new(shared, outside),
            reports,
        }
    }

    /// Runs `f` on this thread inside of the runtime.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = enter::enter(&self.spawner, self.spawner.shared.outside());
        f()
    }

    /// Returns how many panics the hook was called with.
    pub fn reports(&self) -> usize {
        // Ordering: Relaxed. Read after the reporting threads were joined.
        self.reports.load(Ordering::Relaxed)
    }
}

impl Default for ModelRuntime {
    fn default() -> Self {
        Self::new()
    }
}
