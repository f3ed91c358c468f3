//! The start of a runtime: its driver and pool, the settings that are in effect, its workers.

use std::io;
use std::sync::{Arc, OnceLock, Weak};

use framewise_io::{BlockingSpawner, IoDriver};

use super::current_thread::WorkerSlot;
use super::tokio_compat::TokioCompat;
use super::{Builder, Flavor, Handle, Runtime, block_on, builder};
use crate::blocking::BlockingPool;
use crate::panics::report_callback_panics;
use crate::scheduler::shared::Shared;
use crate::scheduler::spawner::Spawner;
use crate::scheduler::worker::driving::RestingWorker;
use crate::scheduler::worker::{self, Core};

impl Runtime {
    pub(crate) fn start(settings: Builder, flavor: Flavor) -> io::Result<Self> {
        if settings.threads.name.contains('\0') {
            // std would panic at the start of each thread.
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a thread's name must not contain a zero byte",
            ));
        }
        if let Some(stack_size) = settings.threads.stack_size {
            builder::check_stack_size(stack_size)?;
        }
        register_wakers();
        let workers = if flavor.is_current_thread() {
            1
        } else {
            settings.workers()?
        };
        let hook = settings.threads.unhandled_panic.clone();
        let blocking = BlockingPool::new(
            settings.blocking_threads_max,
            settings.keep_alive,
            settings.threads.clone(),
            hook.clone(),
        );
        // The driver is made before the runtime that its name look-ups use.
        let looked_up: Arc<OnceLock<Weak<Spawner>>> = Arc::default();
        let (driver, io) = IoDriver::new(spawn_look_ups_on(&looked_up))?;
        io.set_delay(|time| Box::pin(framewise_timers::sleep(time)));
        let (shared, queues) = Shared::new(workers, driver, io, blocking, hook.clone(), flavor);
        if let Some(name) = &settings.name {
            shared.name.set(name.clone()).expect("it is set here only");
        }
        if let Some(observer) = settings.observer(workers)? {
            shared.observe(&Arc::new(observer));
        }
        #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
        if settings.start_paused {
            shared.timers.stop_clock();
        }
        report_callback_panics(&shared.timers, hook);
        let spawner = Spawner::new(Arc::clone(&shared), shared.outside());
        looked_up
            .set(Arc::downgrade(&spawner))
            .expect("it is set here only");
        let tokio = TokioCompat::start(&settings, &spawner)?;
        let mut runtime = Self {
            handle: Handle { spawner },
            tokio,
            threads: Vec::new(),
            resting: None,
            is_shut_down: false,
        };
        for (index, queue) in queues.into_iter().enumerate() {
            if flavor.is_current_thread() {
                let worker = RestingWorker::new(&shared, queue, settings.intervals);
                runtime.resting = Some(WorkerSlot::new(worker));
                break;
            }
            shared.register_worker();
            let core = Core::new(queue, settings.intervals);
            let started = settings.threads.start(format_args!("worker-{index}"), {
                let shared = Arc::clone(&shared);
                move || worker::run_thread(shared, core)
            });
            match started {
                Ok(thread) => runtime.threads.push(thread),
                Err(error) => {
                    shared.deregister_worker(true);
                    shared.close();
                    // Dropping the runtime waits for the workers that did start.
                    return Err(io::Error::new(
                        error.kind(),
                        format!("worker {index} of {workers} could not be started: {error}"),
                    ));
                }
            }
        }
        Ok(runtime)
    }
}

/// Declares that the runtime's wakers run no user code, so that timers and I/O keep no frame for
/// them. The task's vtable is first, since it is looked up most often.
pub(crate) fn register_wakers() {
    framewise_context::add_context_free_vtable(&crate::task::waker::WAKER_VTABLE);
    framewise_context::add_context_free_vtable(&block_on::WAKER_VTABLE);
    framewise_context::add_context_free_vtable(&crate::task::waker::TRACKED_WAKER_VTABLE);
}

/// Returns the function by which name look-ups reach the blocking pool.
fn spawn_look_ups_on(spawner: &Arc<OnceLock<Weak<Spawner>>>) -> BlockingSpawner {
    let spawner = Arc::clone(spawner);
    Arc::new(move |job| match spawner.get().and_then(Weak::upgrade) {
        Some(spawner) => spawner.shared.blocking.run_internal(job, &spawner),
        None => Err(framewise_io::shutdown_error()),
    })
}
