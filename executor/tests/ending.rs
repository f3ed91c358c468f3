//! User code that the end of a runtime runs, and that waits: the end always comes.
//!
//! A table: whose code it is (a [`Place`]) against what it waits for (a [`Wait`]), on 1 and 2 workers.
//! Before the order of the end was what it is, nearly every wait was one that never ended.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Context;
use std::time::Duration;

use framewise::net::{Interest, TcpListener, TcpStream, lookup_host};
use framewise::runtime::{Builder, Handle, Runtime};
use framewise::task::block_in_place;
use framewise::time::{set_timeout, sleep, timeout};
use framewise::{ContextVar, JoinHandle};
use support::{DropCall, HangWatch, call_waker, on_drop};

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);

/// What the code of the table may wait for, made while the runtime works.
struct Things {
    handle: Handle,
    /// Connected to `peer`, which sends nothing.
    stream: TcpStream,
    listener: TcpListener,
    /// A task that never ends by itself.
    sibling: Mutex<Option<JoinHandle<()>>>,
    /// What the hook for panics drops.
    in_hook: Arc<Mutex<Option<DropCall>>>,
    _peer: TcpStream,
}

impl Things {
    fn new(runtime: &Runtime, in_hook: Arc<Mutex<Option<DropCall>>>) -> Arc<Self> {
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stream, accepted) = futures::join!(TcpStream::connect(address), listener.accept());
            Arc::new(Self {
                handle: Handle::current(),
                stream: stream.unwrap(),
                listener,
                sibling: Mutex::new(None),
                in_hook,
                _peer: accepted.unwrap().0,
            })
        })
    }

    fn sibling(&self) -> JoinHandle<()> {
        let sibling = self.sibling.lock().unwrap().take();
        sibling.unwrap_or_else(|| self.handle.spawn(pending()))
    }
}

/// A wait, in a destructor or callback.
type Wait = (&'static str, fn(&Things));

/// Runs a future as a foreign executor does.
fn foreign<F: Future>(things: &Things, future: F) {
    let _entered = things.handle.enter();
    futures::executor::block_on(future);
}

const WAITS: [Wait; 17] = [
    ("block_on(sleep)", |things| {
        things.handle.block_on(sleep(SHORT));
    }),
    ("block_in_place(block_on(sleep))", |things| {
        block_in_place(|| things.handle.block_on(sleep(SHORT)));
    }),
    ("block_on(read)", |things| {
        let _ = things.handle.block_on(things.stream.read(&mut [0]));
    }),
    ("block_on(sibling)", |things| {
        let _ = things.handle.block_on(things.sibling());
    }),
    ("sleep", |things| foreign(things, sleep(SHORT))),
    ("block_in_place(sleep)", |things| {
        block_in_place(|| foreign(things, sleep(SHORT)));
    }),
    ("timeout", |things| {
        foreign(things, async { timeout(SHORT, pending::<()>()).await });
    }),
    ("read", |things| {
        foreign(things, things.stream.read(&mut [0]));
    }),
    ("readable", |things| {
        foreign(things, things.stream.ready(Interest::READABLE));
    }),
    ("accept", |things| foreign(things, things.listener.accept())),
    ("connect", |things| {
        let address = things.listener.local_addr().unwrap();
        foreign(things, TcpStream::connect(address));
    }),
    ("look-up", |things| {
        foreign(things, lookup_host("localhost:1"));
    }),
    ("sibling", |things| foreign(things, things.sibling())),
    ("spawn and join", |things| {
        foreign(things, things.handle.spawn(async {}));
    }),
    ("spawn_blocking and join", |things| {
        foreign(things, things.handle.spawn_blocking(|| ()));
    }),
    ("spawn_blocking and receive", |things| {
        let (done, is_done) = mpsc::channel();
        drop(things.handle.spawn_blocking(move || done.send(())));
        // The call is made, or dropped with the sender.
        let _ = is_done.recv();
    }),
    ("a try_write, which does not wait", |things| {
        assert_eq!(things.stream.try_write(b"bye").unwrap(), 3);
    }),
];

/// The wait as a value whose destructor waits, and a count of the waits that have ended.
fn waits_when_dropped(things: &Arc<Things>, wait: Wait, ended: &Arc<AtomicUsize>) -> DropCall {
    let (things, ended) = (Arc::clone(things), Arc::clone(ended));
    let mut pending_call = true;
    on_drop(move || {
        if std::mem::take(&mut pending_call) {
            // However it ends: by its output, an error or a panic.
            let outcome = catch_unwind(AssertUnwindSafe(|| (wait.1)(&things)));
            ended.fetch_add(1, Ordering::SeqCst);
            if let Err(panic) = outcome {
                std::panic::resume_unwind(panic);
            }
        }
    })
}

/// Puts a value into a place where the runtime's end destroys it, or calls what drops it.
type Place = (&'static str, fn(&Runtime, &Things, DropCall));

static VALUE: ContextVar<Arc<Mutex<Option<DropCall>>>> = ContextVar::new("value");

/// A task is being polled for the first time and then waits forever.
fn park_task(runtime: &Runtime, keep: impl Send + 'static) -> JoinHandle<()> {
    let (parked, is_parked) = mpsc::channel();
    let task = runtime.spawn(async move {
        let _keep = keep;
        parked.send(()).unwrap();
        pending::<()>().await;
    });
    is_parked.recv().unwrap();
    task
}

const PLACES: [Place; 9] = [
    ("a future", |runtime, _, value| {
        drop(park_task(runtime, value));
    }),
    ("a joined future", |runtime, things, value| {
        let task = park_task(runtime, value);
        *things.sibling.lock().unwrap() = Some(runtime.spawn(async move {
            let _ = task.await;
        }));
    }),
    ("a value of a frame", |runtime, _, value| {
        let value = Arc::new(Mutex::new(Some(value)));
        VALUE.run(value, || drop(park_task(runtime, ())));
    }),
    ("an output", |runtime, _, value| {
        let output = runtime.spawn(async move { value });
        while !output.is_finished() {
            std::thread::yield_now();
        }
        drop(park_task(runtime, output));
    }),
    ("a timer's callback", |runtime, _, value| {
        let _entered = runtime.enter();
        set_timeout(HOUR, move || drop(value));
    }),
    ("a socket's callback", |_, things, value| {
        let callback = things.stream.on_ready(Interest::READABLE, move |_| {
            let _ = &value;
        });
        drop(callback.unwrap());
    }),
    ("a queued blocking call", |runtime, things, value| {
        let (started, is_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        drop(runtime.spawn_blocking(move || {
            started.send(()).unwrap();
            let _ = released.recv();
        }));
        is_started.recv().unwrap();
        drop(runtime.spawn_blocking(move || {
            let _ = &value;
            unreachable!("it was cancelled in the queue");
        }));
        // The wait for a sibling is for the next in the queue.
        *things.sibling.lock().unwrap() = Some(runtime.spawn_blocking(|| ()));
        // Released after the value, whose call was queued first.
        drop(runtime.spawn_blocking(move || drop(release)));
    }),
    ("a foreign waker", |runtime, _, value| {
        let _entered = runtime.enter();
        let value = Mutex::new(Some(value));
        let waker = call_waker(move || drop(value.lock().unwrap().take()));
        let mut timer = Box::pin(sleep(HOUR));
        assert!(
            timer
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(park_task(runtime, timer));
    }),
    ("the hook for panics", |runtime, things, value| {
        *things.in_hook.lock().unwrap() = Some(value);
        drop(park_task(runtime, on_drop(|| panic!("planned"))));
    }),
];

#[test]
fn whatever_the_end_runs_and_whatever_that_waits_for_the_end_comes() {
    for workers in [1, 2] {
        for place in PLACES {
            for wait in WAITS {
                let _watch =
                    HangWatch::new(format!("{} in {}, {workers} workers", wait.0, place.0));
                let in_hook: Arc<Mutex<Option<DropCall>>> = Arc::default();
                let runtime = Builder::new()
                    .worker_threads(workers)
                    .max_blocking_threads(1)
                    .on_unhandled_panic({
                        let in_hook = Arc::clone(&in_hook);
                        move |_| {
                            let value = in_hook.lock().unwrap().take();
                            drop(value);
                        }
                    })
                    .build()
                    .unwrap();
                let things = Things::new(&runtime, in_hook);
                *things.sibling.lock().unwrap() = Some(runtime.spawn(pending()));
                let ended = Arc::new(AtomicUsize::new(0));
                (place.1)(&runtime, &things, waits_when_dropped(&things, wait, &ended));
                drop(runtime);
                let sibling = things.sibling.lock().unwrap().take();
                drop(sibling);
                assert_eq!(ended.load(Ordering::SeqCst), 1, "{} in {}", wait.0, place.0);
            }
        }
    }
}
