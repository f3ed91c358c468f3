//! The pool's threads: how one starts, takes jobs, waits for more, and ends.

use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::time::Instant;

use framewise_sync::atomic::Ordering;
use framewise_sync::{Mutex, MutexGuard, thread};

use super::pool_state::PoolState;
use super::{BlockingPool, Host, Job};
use crate::account::meter::Meter;

framewise_sync::thread_local! {
    /// The pool that this thread belongs to; compared, never read through.
    static OWN_POOL: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

impl<H: Host> BlockingPool<H> {
    /// Starts a thread, which the caller has counted, for a first job. Returns the job if it
    /// cannot.
    pub(super) fn start_thread(&self, host: &H, job: Job<H>) -> Result<(), (Job<H>, io::Error)> {
        // Ordering: Relaxed. The number only has to be unique.
        // Survives: skipped, because it is part of a thread's name and nothing else.
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        // A thread that is not started drops its closure, so the job is kept outside of it.
        let hands = Arc::new(Mutex::new(Some(job)));
        let body = {
            let (pool, host, hands) = (self.clone(), host.clone(), Arc::clone(&hands));
            move || {
                let job = hands.lock().take();
                pool.work(&host, job);
            }
        };
        let threads = &self.0.threads;
        let name = threads.name(format_args!("blocking-{number}"));
        let started = name.and_then(|name| host.start(name, threads.stack_size, body));
        match started {
            Ok(thread) => {
                let mut state = self.lock();
                state.handles.push(thread);
                state.starting -= 1;
                // Unnoticed: always, because a wait for the end looks again, and goes on.
                if state.threads == 0 {
                    // It has ended already, and the caller that waits for the end waits for its
                    // handle.
                    self.0.ended.notify_all();
                }
                Ok(())
            }
            Err(error) => {
                let job = hands.lock().take();
                Err((job.expect("no thread took it"), error))
            }
        }
    }

    fn work(&self, host: &H, first: Option<Job<H>>) {
        /// Counts the thread out, also if a bug of the runtime unwinds.
        struct Ended<H: Host> {
            pool: BlockingPool<H>,
            counted_out: bool,
            /// Threads that ended before this one. Their thread-locals may not be dropped yet.
            ended_before: Vec<thread::JoinHandle<()>>,
        }
        impl<H: Host> Ended<H> {
            /// Counts the thread out, under the lock under which that was decided: no push relies
            /// on the thread from now on.
            fn count_out(&mut self, mut state: MutexGuard<'_, PoolState<H>>) {
                state.threads -= 1;
                self.counted_out = true;
                let is_finished = |handle: &mut thread::JoinHandle<()>| handle.is_finished();
                // Unnoticed: skipped, because the end of the pool then joins them.
                self.ended_before = state.handles.extract_if(.., is_finished).collect();
            }
        }
        impl<H: Host> Drop for Ended<H> {
            fn drop(&mut self) {
                if !self.counted_out {
                    self.pool.lock().threads -= 1;
                }
                // Unnoticed: moved behind the next, because the wait for the end waits for those,
                // too.
                self.pool.0.ended.notify_all();
                // No lock is held: the destructors of their thread-locals are user code.
                for thread in self.ended_before.drain(..) {
                    let _ = thread.join();
                }
            }
        }

        let mut ended = Ended {
            pool: self.clone(),
            counted_out: false,
            ended_before: Vec::new(),
        };
        let _entered = host.enter();
        OWN_POOL.with(|pool| pool.set(Arc::as_ptr(&self.0).cast()));
        let meter = host.meter();
        let _metered = meter.as_ref().map(Meter::enter);
        let _started = self.0.threads.started();
        let mut next = first;
        let mut state = self.lock();
        loop {
            if let Some(job) = next.take().or_else(|| state.pop()) {
                // Run even if the pool is closed by now: `close` left only jobs for threads that
                // were started or notified before.
                let is_core = matches!(job, Job::Core(_));
                drop(state);
                job.run();
                state = self.lock();
                state.cores -= usize::from(is_core);
                if state.threads - state.cores > self.0.threads_max {
                    // Started while another thread worked with a core. The threads within the limit
                    // take the queued jobs.
                    return ended.count_out(state);
                }
                continue;
            }
            if state.closed {
                return ended.count_out(state);
            }
            state.idle += 1;
            host.after_calls();
            let until = Instant::now().checked_add(self.0.keep_alive);
            loop {
                let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                state = match left {
                    None => self.0.work.wait(state),
                    Some(left) => self.0.work.wait_timeout(state, left).0,
                };
                if state.notified > 0 {
                    // The notifying thread has counted this one out of the idle threads.
                    state.notified -= 1;
                    break;
                }
                if state.closed {
                    // Unnoticed: skipped, because a closed pool takes no job and does not count its
                    // idle threads.
                    state.idle -= 1;
                    break;
                }
                // Unnoticed: `>=` is `>`, because the thread then waits once more, until the next
                // instant.
                if until.is_some_and(|until| Instant::now() >= until) {
                    // A later push does not count this thread any more, and starts one of its own.
                    state.idle -= 1;
                    return ended.count_out(state);
                }
            }
        }
    }

    /// Returns `true` if this thread is one of the pool's.
    pub(crate) fn is_own_thread(&self) -> bool {
        OWN_POOL.with(|pool| ptr::eq(pool.get(), self.address()))
    }
}
