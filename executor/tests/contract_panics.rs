//! Contract, "Errors and inspection": the panic hook sees the innermost frame (C-82); a join error
//! and the hook for unhandled panics expose that frame, not the frame of creation (C-83); an
//! interval that continues after a panic (C-92).
//!
//! The tests cover every place where user code can panic: polls, scopes, blocking calls, callbacks
//! of timers and sockets, foreign wakers, destructors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use framewise::context::FrameId;
use framewise::net::{Interest, TcpListener, TcpStream};
use framewise::runtime::{Builder, Runtime};
use framewise::task::{JoinError, JoinHandle, LocalSet, block_in_place, spawn_local, yield_now};
use framewise::time::{PanicPolicy, set_interval, set_interval_with, set_timeout, sleep};
use framewise::{ContextVar, Frame, block_on, spawn};
use futures::channel::oneshot;
use support::{
    DropCall, ID, call_waker, everywhere, on_drop, panic_message, panics, pause, poll_once,
    while_occupied, with_workers_in_frames,
};

const TICK: Duration = Duration::from_millis(1);

static CALL: ContextVar<DropCall> = ContextVar::new("call");

/// What the process's panic hook saw, keyed by the panic's message.
static SEEN: Mutex<Option<HashMap<String, Seen>>> = Mutex::new(None);

/// The value of [`ID`] in a frame, and the frame's number.
type Seen = (Option<u64>, FrameId);

/// Installs the panic hook, and returns a message that no other panic of this process has.
fn unique(place: &str) -> String {
    static HOOK: Once = Once::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    const MARK: &str = "expected panic number ";

    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            match info.payload().downcast_ref::<String>() {
                Some(message) if message.starts_with(MARK) => {
                    let frame = (ID.get(), Frame::current().id());
                    let mut seen = SEEN.lock().unwrap();
                    seen.get_or_insert_default().insert(message.clone(), frame);
                }
                _ => before(info),
            }
        }));
    });
    format!("{MARK}{}: {place}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns what the panic hook saw at the panic with this message.
fn seen_by_hook(message: &str) -> Seen {
    let seen = SEEN.lock().unwrap();
    *seen
        .as_ref()
        .and_then(|seen| seen.get(message))
        .expect(message)
}

/// Checks both items: the hook saw `expected`, in the frame that the error exposes.
fn check(error: &JoinError, message: &str, expected: Option<u64>) {
    assert!(
        error.to_string().ends_with(message),
        "{error}, not {message}"
    );
    let frame = error.frame().expect(message);
    let (seen, id) = seen_by_hook(message);
    assert_eq!(seen, expected, "the panic hook, {message}");
    assert_eq!(frame.run(|| ID.get()), expected, "the error, {message}");
    assert_eq!(frame.id(), id, "{message}");
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that panics, with its message and the expected value of [`ID`].
struct Panicking {
    message: String,
    work: Work,
    expected: Option<u64>,
}

impl Panicking {
    fn new<F: Future<Output = ()> + Send + 'static>(
        place: &str,
        expected: Option<u64>,
        work: impl FnOnce(String) -> F,
    ) -> Self {
        let message = unique(place);
        Self {
            work: Box::pin(work(message.clone())),
            message,
            expected,
        }
    }
}

/// Returns tasks that panic at their first poll or later, in the task's frame or in a scope.
fn panicking_tasks(id: Option<u64>) -> Vec<Panicking> {
    let captured = ID.run(10, Frame::current);
    let of_frame = captured.clone();
    vec![
        Panicking::new(
            "in the task's frame",
            id,
            |say| async move { panic!("{say}") },
        ),
        Panicking::new("after an await", id, |say| async move {
            yield_now().await;
            sleep(TICK).await;
            panic!("{say}")
        }),
        Panicking::new("in a run", Some(11), |say| async move {
            yield_now().await;
            ID.run(11, || panic!("{say}"))
        }),
        Panicking::new("in a run within a run", Some(13), |say| async move {
            ID.run(12, || ID.run(13, || panic!("{say}")))
        }),
        Panicking::new("at the root, in a run", None, |say| async move {
            ID.run(14, || Frame::root().run(|| panic!("{say}")))
        }),
        Panicking::new(
            "in a captured frame, in a run",
            Some(10),
            |say| async move { ID.run(15, || captured.run(|| panic!("{say}"))) },
        ),
        Panicking::new("in a scope", Some(16), |say| {
            ID.scope(16, async move {
                yield_now().await;
                panic!("{say}")
            })
        }),
        Panicking::new("in a run in nested scopes", Some(19), |say| {
            ID.scope(17, async move {
                yield_now().await;
                ID.scope(18, async move {
                    yield_now().await;
                    ID.run(19, || panic!("{say}"))
                })
                .await
            })
        }),
        Panicking::new("after an inner scope", Some(20), |say| {
            ID.scope(20, async move {
                ID.scope(21, yield_now()).await;
                panic!("{say}")
            })
        }),
        Panicking::new("in a frame's scope", Some(10), |say| {
            of_frame.scope(async move { panic!("{say}") })
        }),
        Panicking::new(
            "after a panic that was caught",
            Some(23),
            |say| async move {
                assert!(panics(|| ID.run(22, || panic!("{}", unique("caught")))));
                ID.run(23, || panic!("{say}"))
            },
        ),
        Panicking::new("of a joiner, by a child's panic", id, |say| async move {
            let child = ID.run(24, || spawn(async { panic!("{}", unique("a child's")) }));
            let error: Result<(), _> = child.await;
            assert!(error.is_ok(), "{say}");
        }),
    ]
}

/// Returns tasks that panic after they changed threads, or while they are dropped.
fn panicking_at_the_edges(id: Option<u64>) -> Vec<Panicking> {
    vec![
        Panicking::new("in block_in_place", Some(31), |say| async move {
            ID.run(30, || block_in_place(|| ID.run(31, || panic!("{say}"))))
        }),
        Panicking::new(
            "in block_in_place, in the task's frame",
            id,
            |say| async move { block_in_place(|| panic!("{say}")) },
        ),
        Panicking::new("in a nested block_on", Some(32), |say| async move {
            let work = ID.scope(32, async move {
                yield_now().await;
                panic!("{say}")
            });
            block_in_place(|| block_on(work))
        }),
        Panicking::new("in the destructor of a local", Some(33), |say| async move {
            let _local = on_drop(move || ID.run(33, || panic!("{say}")));
            yield_now().await;
        }),
        Panicking::new("in the destructor of a local in a scope", Some(34), |say| {
            ID.scope(34, async move {
                let _local = on_drop(move || panic!("{say}"));
                yield_now().await;
            })
        }),
        Panicking::new("in the destructor of what is left at the end", id, |say| {
            let part = on_drop(move || panic!("{say}"));
            poll_fn(move |_| {
                let _keep = &part;
                Poll::Ready(())
            })
        }),
        Panicking::new("in the destructor of a value", id, |say| async move {
            // A value is dropped in the frame of the code that drops it, never in the frame that is
            // being released.
            let value = on_drop(move || panic!("{say}"));
            framewise::bind(&CALL, value).and(&ID, 35).run(|| ());
        }),
    ]
}

fn all_panicking(id: Option<u64>) -> Vec<Panicking> {
    let mut tasks = panicking_tasks(id);
    tasks.extend(panicking_at_the_edges(id));
    tasks
}

/// A runtime whose hook for unhandled panics sends its argument and the frame in which it runs.
struct Watched {
    runtime: Runtime,
    reports: mpsc::Receiver<Report>,
}

struct Report {
    message: String,
    /// The error's frame.
    innermost: Seen,
    hook_ran_in: Seen,
}

impl Watched {
    fn new(workers: usize) -> Self {
        let (sender, reports) = mpsc::channel();
        let sender = Mutex::new(sender);
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_unhandled_panic(move |error| {
                let frame = error.frame().expect("it is of a panic");
                let report = Report {
                    message: error.to_string(),
                    innermost: (frame.run(|| ID.get()), frame.id()),
                    hook_ran_in: (ID.get(), Frame::current().id()),
                };
                sender.lock().unwrap().send(report).unwrap();
            })
            .build()
            .unwrap();
        Self { runtime, reports }
    }

    /// Waits for the hook's call with this panic: one call, in the frame of the panic.
    fn expect(&self, message: &str, expected: Option<u64>) {
        Self::check(&self.reports.recv().unwrap(), message, expected);
    }

    /// Like [`expect`](Self::expect), but does not wait for the hook's call.
    fn try_expect(&self, message: &str, expected: Option<u64>) -> Result<(), mpsc::TryRecvError> {
        Self::check(&self.reports.try_recv()?, message, expected);
        Ok(())
    }

    fn check(report: &Report, message: &str, expected: Option<u64>) {
        assert!(
            report.message.ends_with(message),
            "{}, not {message}",
            report.message
        );
        let seen = seen_by_hook(message);
        assert_eq!(seen.0, expected, "the panic hook, {message}");
        assert_eq!(report.innermost, seen, "the error, {message}");
        assert_eq!(report.hook_ran_in, seen, "the hook's frame, {message}");
    }

    /// Shuts down the runtime, and checks that no other panic was reported.
    fn end(self) {
        drop(self.runtime);
        assert!(self.reports.recv().is_err(), "a panic was reported twice");
    }
}

fn watched(test: impl Fn(&Watched, usize, Option<u64>)) {
    with_workers_in_frames(|workers, id| {
        let watched = Watched::new(workers);
        test(&watched, workers, id);
        watched.end();
    });
}

#[test]
fn c82_the_panic_hook_sees_the_innermost_frame_of_a_block_on() {
    everywhere(|runtime, id| {
        for Panicking {
            message,
            work,
            expected,
        } in panicking_tasks(id)
        {
            let said = panic_message(|| runtime.block_on(work));
            assert_eq!(said, message);
            assert_eq!(seen_by_hook(&message).0, expected, "{message}");
            assert_eq!(ID.get(), id);
        }
    });
}

#[test]
fn c82_the_panic_hook_sees_the_workers_frame_where_a_frame_ends() {
    everywhere(|runtime, id| {
        // The values of a task's frame are dropped after its last poll, in the worker's root frame.
        let message = unique("in the destructor of a task's value");
        let said = message.clone();
        let value = on_drop(move || panic!("{said}"));
        let frame = framewise::bind(&CALL, value).and(&ID, 40).frame();
        let (release, released) = oneshot::channel::<()>();
        let task = frame.run(|| runtime.spawn(released));
        // Only the task holds the frame now.
        drop(frame);
        release.send(()).unwrap();
        runtime.block_on(task).unwrap().unwrap();
        assert_eq!(seen_by_hook(&message).0, None);
        // The code that drops the last snapshot drops the value, in that code's frame.
        let message = unique("in the destructor of a snapshot's value");
        let said = message.clone();
        let value = on_drop(move || panic!("{said}"));
        let frame = framewise::bind(&CALL, value).and(&ID, 41).frame();
        assert!(panics(|| drop(frame)));
        assert_eq!(seen_by_hook(&message).0, id);
    });
}

#[test]
fn c82_the_panic_hook_sees_the_task_where_a_detached_output_ends() {
    watched(|watched, _, id| {
        for place in 0..2 {
            let message = unique("in the destructor of an output");
            let said = message.clone();
            let (sender, receiver) = mpsc::channel::<()>();
            let output = on_drop(move || {
                let _ended = &sender;
                panic!("{said}")
            });
            let (release, released) = oneshot::channel::<()>();
            let work = async move {
                released.await.unwrap();
                output
            };
            drop(match place {
                0 => watched.runtime.spawn(work),
                _ => ID.run(42, || watched.runtime.spawn(work)),
            });
            release.send(()).unwrap();
            assert!(receiver.recv().is_err());
            let expected = if place == 0 { id } else { Some(42) };
            assert_eq!(seen_by_hook(&message).0, expected);
        }
    });
}

#[test]
fn c83_the_error_of_a_join_has_the_frame_in_which_the_panic_began() {
    everywhere(|runtime, id| {
        for Panicking {
            message,
            work,
            expected,
        } in all_panicking(id)
        {
            let error = runtime.block_on(runtime.spawn(work)).unwrap_err();
            check(&error, &message, expected);
        }
        // The task is spawned with a binding, but the frame of creation does not matter.
        let message = unique("of a task under a binding");
        let said = message.clone();
        let task = ID.run(50, || {
            runtime.spawn(async move { Frame::root().run(|| panic!("{said}")) })
        });
        let joined: Result<(), JoinError> = runtime.block_on(task);
        let error = joined.unwrap_err();
        check(&error, &message, None);
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c83_the_hook_for_unhandled_panics_has_the_frame_in_which_the_panic_began() {
    watched(|watched, _, id| {
        for Panicking {
            message,
            work,
            expected,
        } in all_panicking(id)
        {
            let task = watched.runtime.spawn(work);
            ID.run(120, || drop(task));
            watched.expect(&message, expected);
        }
    });
}

#[test]
fn c83_the_hook_for_unhandled_panics_runs_in_that_frame_where_the_handle_is_dropped_later() {
    watched(|watched, _, id| {
        for Panicking {
            message,
            work,
            expected,
        } in all_panicking(id)
        {
            let task = watched.runtime.spawn(work);
            ID.run(121, || drop(finished(task)));
            watched.expect(&message, expected);
        }
        // A binding at the drop of the handle does not affect a panic in the root frame.
        let message = unique("at the root, of a task under a binding");
        let said = message.clone();
        let task: JoinHandle<()> = ID.run(122, || {
            let work = async move { Frame::root().run(|| panic!("{said}")) };
            watched.runtime.spawn(work)
        });
        ID.run(123, || drop(finished(task)));
        watched.expect(&message, None);
    });
}

/// Waits until a task has finished, without taking its output.
fn finished<T>(task: JoinHandle<T>) -> JoinHandle<T> {
    while !task.is_finished() {
        thread::yield_now();
    }
    task
}

#[test]
fn c83_the_frame_of_a_panic_in_a_blocking_call() {
    watched(|watched, _, id| {
        let runtime = &watched.runtime;
        type Place = (&'static str, fn(String), Option<u64>);
        let places: [Place; 4] = [
            ("in a call", |say| panic!("{say}"), id),
            ("in a run", |say| ID.run(60, || panic!("{say}")), Some(60)),
            (
                "in a block_on",
                |say| block_on(ID.scope(61, async move { panic!("{say}") })),
                Some(61),
            ),
            (
                "in a local's destructor",
                |say| {
                    let _local = on_drop(move || ID.run(62, || panic!("{say}")));
                },
                Some(62),
            ),
        ];
        for (place, call, expected) in places {
            let message = unique(place);
            let said = message.clone();
            let joined = runtime.block_on(runtime.spawn_blocking(move || call(said)));
            check(&joined.unwrap_err(), &message, expected);
            // Detached before it has finished.
            let message = unique(place);
            let said = message.clone();
            let (release, released) = mpsc::channel::<()>();
            let task = runtime.spawn_blocking(move || {
                released.recv().unwrap();
                call(said)
            });
            ID.run(63, || drop(task));
            release.send(()).unwrap();
            watched.expect(&message, expected);
            // Detached after it has finished.
            let message = unique(place);
            let said = message.clone();
            let task = finished(runtime.spawn_blocking(move || call(said)));
            ID.run(64, || drop(task));
            watched.expect(&message, expected);
        }
    });
}

#[test]
fn c83_the_frame_of_a_panic_in_a_local_task() {
    everywhere(|runtime, id| {
        let set = LocalSet::new();
        set.block_on(runtime, async {
            for Panicking {
                message,
                work,
                expected,
            } in panicking_tasks(id)
            {
                check(&spawn_local(work).await.unwrap_err(), &message, expected);
                assert_eq!(ID.get(), id);
            }
        });
    });
}

#[test]
fn c83_the_hook_runs_in_the_frame_of_a_local_tasks_failure() {
    watched(|watched, _, id| {
        let set = LocalSet::new();
        let mut kept = Vec::new();
        set.block_on(&watched.runtime, async {
            for Panicking {
                message,
                work,
                expected,
            } in panicking_tasks(id)
            {
                let task = spawn_local(work);
                ID.run(65, || drop(task));
                while let Err(mpsc::TryRecvError::Empty) = watched.try_expect(&message, expected) {
                    yield_now().await;
                }
            }
            for panicking in panicking_tasks(id) {
                let task = spawn_local(panicking.work);
                while !task.is_finished() {
                    yield_now().await;
                }
                kept.push((task, panicking.message, panicking.expected));
            }
            let (task, message, expected) = kept.pop().unwrap();
            ID.run(66, || drop(task));
            watched.expect(&message, expected);
        });
        // Outside of any runtime: the runtime that ran the set reports the panic.
        for (task, message, expected) in kept {
            ID.run(67, || drop(task));
            watched.expect(&message, expected);
        }
        // Inside another runtime, which does not report the panic.
        let other = Watched::new(1);
        let message = unique("in a part of a task that ends with its set");
        let said = message.clone();
        let part = on_drop(move || panic!("{said}"));
        let task = set.spawn_local(ID.scope(68, async move {
            let _part = part;
            pending::<()>().await;
        }));
        ID.run(69, || drop(task));
        let entered = other.runtime.enter();
        drop(set);
        watched.expect(&message, Some(68));
        drop(entered);
        other.end();
    });
}

#[test]
fn c83_the_frame_of_a_panic_in_a_timers_callback() {
    watched(|watched, _, id| {
        let _entered = watched.runtime.enter();
        let call = |place, frame| {
            let message = unique(place);
            let said = message.clone();
            let call = move || match frame {
                None => panic!("{said}"),
                Some(frame) => ID.run(frame, || panic!("{said}")),
            };
            (message, call)
        };
        for (frame, expected) in [(None, id), (Some(70), Some(70))] {
            let (message, once) = call("in a time-out", frame);
            let once = set_timeout(TICK, once);
            watched.expect(&message, expected);
            let (message, repeated) = call("in an interval", frame);
            let repeated = set_interval(TICK, repeated);
            watched.expect(&message, expected);
            // A callback that panicked is not called again.
            while once.is_active() || repeated.is_active() {
                thread::yield_now();
            }
        }
        // A panic while a callback's captures are dropped: they are dropped in the callback's
        // frame, too.
        let message = unique("in a callback's destructor");
        let said = message.clone();
        let owned = on_drop(move || panic!("{said}"));
        let never = ID.run(71, || set_timeout(Duration::MAX, move || drop(owned)));
        ID.run(72, || never.cancel());
        watched.expect(&message, Some(71));
    });
}

#[test]
fn c92_an_interval_that_continues_after_a_panic_is_called_again_in_its_frame() {
    watched(|watched, _, id| {
        let _entered = watched.runtime.enter();
        // The calls after the third return normally, so that the hook's calls can be counted.
        let messages: Vec<_> = (0..3).map(|_| unique("in an interval")).collect();
        let mut left = messages.clone().into_iter();
        let (sender, called) = mpsc::channel();
        let registered = std::time::Instant::now();
        let callback = ID.run(73, || {
            set_interval_with(TICK, PanicPolicy::Continue, move || {
                let _ = sender.send((ID.get(), std::time::Instant::now()));
                if let Some(message) = left.next() {
                    ID.run(74, || panic!("{message}"))
                }
            })
        });
        for message in &messages {
            watched.expect(message, Some(74));
        }
        for (number, call) in (1..).zip(called.iter().take(5)) {
            assert_eq!(call.0, Some(73));
            assert!(
                call.1 >= registered + TICK * number,
                "call {number} is early"
            );
        }
        assert!(callback.is_active());
        assert!(callback.cancel());
        while called.recv().is_ok() {}
        assert_eq!(ID.get(), id);
    });
}

/// Returns a stream on the runtime, and its blocking peer.
async fn connection() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().await.unwrap().0, peer)
}

#[test]
fn c83_the_frame_of_a_panic_in_a_sockets_callback() {
    use std::io::Write;

    watched(|watched, _, id| {
        for (frame, expected) in [(None, id), (Some(80), Some(80))] {
            let (stream, mut peer) = watched.runtime.block_on(connection());
            let message = unique("in a socket's callback");
            let said = message.clone();
            let callback = stream.on_ready(Interest::READABLE, move |_| match frame {
                None => panic!("{said}"),
                Some(frame) => ID.run(frame, || panic!("{said}")),
            });
            ID.run(90, || peer.write_all(b"x").unwrap());
            watched.expect(&message, expected);
            let callback = callback.unwrap();
            while !callback.is_cancelled() {
                thread::yield_now();
            }
        }
    });
}

#[test]
fn c83_the_frame_of_a_panic_in_a_foreign_waker() {
    use std::io::Write;

    watched(|watched, _, id| {
        let _entered = watched.runtime.enter();
        let waker = |place| {
            let message = unique(place);
            let said = message.clone();
            (message, call_waker(move || panic!("{said}")))
        };
        // Registered in this frame or in another one, and called by the driver.
        for (frame, expected) in [(None, id), (Some(100), Some(100))] {
            let within = |poll: &mut dyn FnMut() -> bool| match frame {
                None => poll(),
                Some(frame) => ID.run(frame, poll),
            };
            let (message, timers) = waker("in a waker of a timer");
            let mut timer = sleep(Duration::from_secs(3_600));
            assert!(within(&mut || poll_once(&mut timer, &timers).is_pending()));
            timer.reset(std::time::Instant::now() + TICK);
            watched.expect(&message, expected);

            let (message, sockets) = waker("in a waker of a socket");
            let (stream, mut peer) = watched.runtime.block_on(connection());
            let mut cx = std::task::Context::from_waker(&sockets);
            assert!(within(&mut || stream.poll_read_ready(&mut cx).is_pending()));
            peer.write_all(b"x").unwrap();
            watched.expect(&message, expected);
        }
    });
}

/// Aborts a parked task and returns its error.
fn aborted(runtime: &Runtime, work: impl FnOnce(Parked) -> Work) -> JoinError {
    let (parked, is_parked) = mpsc::channel();
    let task = runtime.spawn(work(parked));
    is_parked.recv().unwrap();
    ID.run(110, || task.abort());
    runtime.block_on(task).unwrap_err()
}

type Parked = mpsc::Sender<()>;

#[test]
fn c83_the_frame_of_a_panic_in_a_destructor_when_a_task_is_aborted() {
    watched(|watched, workers, id| {
        let runtime = &watched.runtime;
        let message = unique("in a part of an aborted task");
        let said = message.clone();
        let error = aborted(runtime, |parked| {
            Box::pin(async move {
                let _part = on_drop(move || panic!("{said}"));
                pause(|_| parked.send(()).unwrap()).await;
            })
        });
        check(&error, &message, id);
        let message = unique("in a part of an aborted task's scope");
        let said = message.clone();
        let error = aborted(runtime, |parked| {
            Box::pin(ID.scope(111, async move {
                let _part = on_drop(move || panic!("{said}"));
                pause(|_| parked.send(()).unwrap()).await;
            }))
        });
        check(&error, &message, Some(111));
        // The task was never polled.
        let message = unique("in a part of a task that was never polled");
        let said = message.clone();
        let task: JoinHandle<()> = while_occupied(runtime, workers, || {
            let part = on_drop(move || panic!("{said}"));
            let task = runtime.spawn(ID.scope(112, async move { drop(part) }));
            task.abort();
            task
        });
        check(&runtime.block_on(task).unwrap_err(), &message, Some(112));
        // The task is detached.
        let message = unique("in a part of an aborted, detached task");
        let said = message.clone();
        let (parked, is_parked) = mpsc::channel();
        let task = runtime.spawn(ID.scope(113, async move {
            let _part = on_drop(move || panic!("{said}"));
            pause(|_| parked.send(()).unwrap()).await;
            pending::<()>().await;
        }));
        is_parked.recv().unwrap();
        let abort = task.abort_handle();
        ID.run(114, || drop(task));
        ID.run(115, || abort.abort());
        watched.expect(&message, Some(113));
        // The task is aborted, and its handle is dropped after the task has finished.
        let message = unique("in a part of an aborted task whose handle is dropped later");
        let said = message.clone();
        let (parked, is_parked) = mpsc::channel();
        let task = runtime.spawn(ID.scope(116, async move {
            let _part = on_drop(move || panic!("{said}"));
            pause(|_| parked.send(()).unwrap()).await;
            pending::<()>().await;
        }));
        is_parked.recv().unwrap();
        task.abort_handle().abort();
        ID.run(117, || drop(finished(task)));
        watched.expect(&message, Some(116));
    });
}

#[test]
fn c83_an_error_keeps_its_frame_as_long_as_it_is_kept_and_no_longer() {
    everywhere(|runtime, id| {
        let kept = Arc::new(());
        let bindings = framewise::bind(&support::KEPT, Arc::clone(&kept));
        let (frame, site) = support::bound_here(bindings);
        let task = frame.run(|| runtime.spawn(async { panic!("{}", unique("kept")) }));
        drop(frame);
        let error: Result<(), JoinError> = runtime.block_on(task);
        let error = error.unwrap_err();
        site.assert_live(1);
        assert_eq!(error.frame().unwrap().run(|| ID.get()), id);
        drop(error.into_panic());
        assert_eq!(Arc::strong_count(&kept), 1);
        site.assert_live(0);
    });
}
