//! User code that waits while its runtime shuts down: each wait ends, with a result, an error or a
//! panic that is reported, and so does the runtime. (Issue 8, A1.) A table of the code that the
//! shutdown runs, the awaited object, and the way of waiting.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use framewise::net::{Interest, lookup_host};
use framewise::runtime::{Builder, Handle, Runtime};
use framewise::task::block_in_place;
use framewise::time::{set_timeout, sleep};
use framewise::{ContextVar, JoinHandle, spawn_blocking};
use framewise_test_support::{DropCall, call_waker, on_drop};

use crate::{HANG, HOUR, Quiet, run_cells};

static VALUE: ContextVar<Arc<DropCall>> = ContextVar::new("value");

/// The waiting code.
type Code = Box<dyn FnOnce() + Send>;

/// The user code that the shutdown runs.
#[derive(Clone, Copy, Debug)]
enum Place {
    Future,
    Value,
    Timer,
    ReadyCallback,
    Hook,
    QueuedCall,
    TimerWaker,
    SocketWaker,
}

const PLACES: [Place; 8] = [
    Place::Future,
    Place::Value,
    Place::Timer,
    Place::ReadyCallback,
    Place::Hook,
    Place::QueuedCall,
    Place::TimerWaker,
    Place::SocketWaker,
];

/// The object for which the code waits.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Sleep,
    Socket,
    Accept,
    /// A task that the shutdown drops, too, before or after.
    Task,
    /// The task that is being dropped, or a queued call that is being cancelled.
    Cycle,
    LookUp,
    Call,
    /// A channel to which a blocking call sends.
    Channel,
}

const WAITS: [Wait; 8] = [
    Wait::Sleep,
    Wait::Socket,
    Wait::Accept,
    Wait::Task,
    Wait::Cycle,
    Wait::LookUp,
    Wait::Call,
    Wait::Channel,
];

/// The way of waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    BlockOn,
    BlockOnInPlace,
    Foreign,
    ForeignInPlace,
}

pub(crate) const HOWS: [How; 4] = [
    How::BlockOn,
    How::BlockOnInPlace,
    How::Foreign,
    How::ForeignInPlace,
];

#[derive(Clone, Copy, Debug)]
enum End {
    Drop,
    Timeout,
    Background,
}

/// The resources of the waiting code.
struct Resources {
    handle: Handle,
    net: Quiet,
    task: Mutex<Option<JoinHandle<()>>>,
    own: Mutex<Option<JoinHandle<()>>>,
}

pub(crate) fn block<F: Future>(how: How, handle: &Handle, future: F) -> F::Output {
    match how {
        How::BlockOn => handle.block_on(future),
        How::BlockOnInPlace => block_in_place(|| handle.block_on(future)),
        How::Foreign => futures::executor::block_on(future),
        How::ForeignInPlace => block_in_place(|| futures::executor::block_on(future)),
    }
}

fn wait(wait: Wait, how: How, resources: &Resources) {
    let handle = &resources.handle;
    let _entered = handle.enter();
    let join = |joined: &Mutex<Option<JoinHandle<()>>>| {
        let joined = joined.lock().unwrap().take();
        if let Some(task) = joined {
            let _ = block(how, handle, task);
        }
    };
    match wait {
        Wait::Sleep => block(how, handle, sleep(Duration::from_millis(20))),
        Wait::Socket => drop(block(how, handle, resources.net.stream.read(&mut [0])).unwrap_err()),
        Wait::Accept => drop(block(how, handle, resources.net.listener.accept()).unwrap_err()),
        Wait::Task => join(&resources.task),
        Wait::Cycle => join(&resources.own),
        Wait::LookUp => drop(block(how, handle, lookup_host("127.0.0.1:80"))),
        Wait::Call => drop(block(how, handle, spawn_blocking(|| ()))),
        Wait::Channel => {
            let (sender, receiver) = mpsc::channel();
            drop(spawn_blocking(move || sender.send(())));
            let _ = receiver.recv();
        }
    }
}

#[derive(Debug)]
struct Cell {
    place: Place,
    wait: Wait,
    how: How,
    /// 0: a current-thread runtime.
    workers: usize,
    end: End,
}

impl Cell {
    /// Builds a runtime, places the waiting code so that the shutdown runs it, shuts the runtime
    /// down, and returns when the code has ended.
    fn run(&self) {
        let (reported, _reports) = mpsc::channel();
        let waits: Arc<Mutex<Option<Code>>> = Arc::default();
        let in_hook = Arc::clone(&waits);
        let is_hook = matches!(self.place, Place::Hook);
        let builder = match self.workers {
            0 => Builder::new_current_thread(),
            workers => Builder::new().worker_threads(workers),
        };
        let runtime = builder
            .max_blocking_threads(1)
            .on_unhandled_panic(move |error| {
                let _ = reported.send(error.to_string());
                if is_hook && let Some(waits) = in_hook.lock().unwrap().take() {
                    waits();
                }
            })
            .build()
            .unwrap();
        let (done, is_done) = mpsc::channel();
        let resources = runtime.block_on(async {
            let net = Quiet::new().await;
            Arc::new(Resources {
                handle: Handle::current(),
                net,
                task: Mutex::default(),
                own: Mutex::default(),
            })
        });
        let (kind, how) = (self.wait, self.how);
        let code = {
            let resources = Arc::clone(&resources);
            move || {
                /// Notifies that the code has ended, with or without a panic.
                struct Done(mpsc::Sender<()>);
                impl Drop for Done {
                    fn drop(&mut self) {
                        let _ = self.0.send(());
                    }
                }
                let _done = Done(done.clone());
                wait(kind, how, &resources);
            }
        };
        if is_hook {
            *waits.lock().unwrap() = Some(Box::new(code.clone()));
        }
        // Spawned before and after the waiting task, because the shutdown may drop them in either
        // order.
        let others = [(); 2].map(|()| runtime.spawn(pending::<()>()));
        let [task, other] = others;
        *resources.task.lock().unwrap() = Some(task);
        let busy = self.place(&runtime, &resources, code);
        drop(other);
        match self.end {
            End::Drop if busy.is_some() => {
                let dropping = thread::spawn(move || drop(runtime));
                is_done.recv_timeout(HANG).unwrap();
                drop(busy);
                dropping.join().unwrap();
                return;
            }
            End::Drop => drop(runtime),
            // With a busy thread in the pool, the shutdown has not finished.
            End::Timeout => drop(runtime.shutdown_timeout(Duration::from_millis(500))),
            End::Background => runtime.shutdown_background(),
        }
        drop(busy);
        is_done.recv_timeout(HANG).unwrap();
    }

    /// Places `code` so that the shutdown of the runtime runs it. The returned value keeps the
    /// pool's thread busy.
    fn place(
        &self,
        runtime: &Runtime,
        resources: &Arc<Resources>,
        code: impl FnMut() + Send + Sync + 'static,
    ) -> Option<mpsc::Sender<()>> {
        let handle = runtime.handle();
        let polled = |task| {
            *resources.own.lock().unwrap() = Some(task);
            // The first task has been polled when the worker runs a task that was spawned later.
            let after = handle.spawn(async {});
            runtime.block_on(after).unwrap();
        };
        match self.place {
            Place::Future => {
                let value = on_drop(code);
                polled(handle.spawn(async move {
                    let _value = value;
                    pending::<()>().await;
                }));
            }
            Place::Value => {
                let value = Arc::new(on_drop(code));
                polled(VALUE.run(value, || handle.spawn(pending())));
            }
            Place::Timer => {
                let value = on_drop(code);
                let _entered = handle.enter();
                std::mem::forget(set_timeout(HOUR, move || drop(value)));
            }
            Place::ReadyCallback => {
                let value = on_drop(code);
                let callback = resources.net.stream.on_ready(Interest::READABLE, move |_| {
                    let _ = &value;
                });
                std::mem::forget(callback.unwrap());
            }
            Place::Hook => {
                // The hook runs at the end of the task, because the task is detached.
                let value = on_drop(|| panic!("expected"));
                drop(handle.spawn(async move {
                    let _value = value;
                    pending::<()>().await;
                }));
                polled(handle.spawn(pending()));
            }
            Place::QueuedCall => {
                let (started, is_started) = mpsc::channel();
                let (busy, released) = mpsc::channel::<()>();
                drop(handle.spawn_blocking(move || {
                    started.send(()).unwrap();
                    let _ = released.recv();
                }));
                is_started.recv().unwrap();
                let value = on_drop(code);
                let call = handle.spawn_blocking(move || drop(value));
                *resources.task.lock().unwrap() = Some(handle.spawn_blocking(|| ()));
                *resources.own.lock().unwrap() = Some(call);
                return Some(busy);
            }
            Place::TimerWaker => {
                let waker = once_waker(code);
                let _entered = handle.enter();
                let mut sleep = Box::pin(sleep(HOUR));
                let mut cx = Context::from_waker(&waker);
                assert!(sleep.as_mut().poll(&mut cx).is_pending());
                std::mem::forget(sleep);
            }
            Place::SocketWaker => {
                let waker = once_waker(code);
                let mut cx = Context::from_waker(&waker);
                assert!(resources.net.stream.poll_read_ready(&mut cx).is_pending());
            }
        }
        None
    }
}

/// Returns a waker that calls `code` at its first wake; the code may wake it again.
fn once_waker(code: impl FnMut() + Send + 'static) -> Waker {
    let code = Mutex::new(Some(code));
    call_waker(move || {
        let code = code.lock().unwrap().take();
        if let Some(mut code) = code {
            code();
        }
    })
}

fn cells(place: Place, end: End) -> impl Iterator<Item = Cell> {
    WAITS.into_iter().flat_map(move |wait| {
        HOWS.into_iter().flat_map(move |how| {
            [0, 1, 2].map(|workers| Cell {
                place,
                wait,
                how,
                workers,
                end,
            })
        })
    })
}

#[test]
fn every_wait_of_every_code_that_a_drop_runs_ends() {
    run_cells(
        PLACES.into_iter().flat_map(|place| cells(place, End::Drop)),
        Cell::run,
    );
}

#[test]
fn every_wait_of_every_code_that_a_limited_shutdown_runs_ends() {
    run_cells(
        PLACES
            .into_iter()
            .filter(|place| !matches!(place, Place::QueuedCall))
            .flat_map(|place| cells(place, End::Timeout)),
        Cell::run,
    );
}

#[test]
fn every_wait_of_every_code_that_a_shutdown_in_the_background_runs_ends() {
    run_cells(
        PLACES
            .into_iter()
            .flat_map(|place| cells(place, End::Background)),
        Cell::run,
    );
}
