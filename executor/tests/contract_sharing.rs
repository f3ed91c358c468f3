//! Contract, "Wakes, time, I/O", for objects that tasks of several frames share: channels (C-54),
//! messages with context (C-55), locks (C-58), lazy initializers (C-60).
//!
//! The tests use primitives of several libraries, none of which knows frames.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::Poll;
use std::thread;

use framewise::context::WithFrame;
use framewise::runtime::Runtime;
use framewise::task::yield_now;
use framewise::{Frame, bind, spawn, spawn_root};
use futures::channel::oneshot;
use futures::future::{self, FutureExt};
use support::{ID, KEPT, Log, Site, at_once, bound_here, everywhere};

/// Polls a future and increments the counter once the future is pending.
async fn counting_wait<F: Future>(waiting: &AtomicUsize, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut counted = false;
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() && !counted {
            counted = true;
            waiting.fetch_add(1, Ordering::SeqCst);
        }
        polled
    })
    .await
}

fn wait_for(waiting: &AtomicUsize, count: usize) {
    while waiting.load(Ordering::SeqCst) < count {
        thread::yield_now();
    }
}

#[test]
fn c54_a_receiver_of_a_channel_is_in_its_own_frame() {
    everywhere(|runtime, id| {
        let (queue, received) = async_channel::bounded::<Option<u64>>(1);
        let (watch, mut watched) = tokio::sync::watch::channel(None);
        let (cast, _) = tokio::sync::broadcast::channel(4);
        let (once, answered) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        // A receiver in this frame, one with a binding, and one that receives in a scope.
        let receivers: Vec<_> = [id, Some(10), Some(11)]
            .into_iter()
            .map(|own| {
                let (mut cast, waiting) = (cast.subscribe(), Arc::clone(&waiting));
                let work = async move {
                    let from = counting_wait(&waiting, cast.recv()).await.unwrap();
                    assert_eq!((from, ID.get()), (Some(21), own));
                    yield_now().await;
                    assert_eq!(ID.get(), own);
                };
                match own {
                    Some(10) => ID.run(10, || runtime.spawn(work)),
                    Some(11) => runtime.spawn(ID.scope(11, work)),
                    _ => runtime.spawn(work),
                }
            })
            .collect();
        let receiver = {
            let waiting = Arc::clone(&waiting);
            runtime.spawn(async move {
                let from = counting_wait(&waiting, received.recv()).await.unwrap();
                assert_eq!((from, ID.get()), (Some(20), id));
                // A sender that waits for capacity is in its own frame, too.
                assert_eq!(received.recv().await.unwrap(), Some(20));
                assert_eq!((received.recv().await.unwrap(), ID.get()), (Some(20), id));
                watched.changed().await.unwrap();
                assert_eq!((*watched.borrow(), ID.get()), (Some(22), id));
                assert_eq!((answered.await.unwrap(), ID.get()), (Some(23), id));
            })
        };
        wait_for(&waiting, 4);
        let sender = ID.run(20, || {
            runtime.spawn(async move {
                for _ in 0..3 {
                    queue.send(ID.get()).await.unwrap();
                    assert_eq!(ID.get(), Some(20));
                }
            })
        });
        ID.run(21, || cast.send(ID.get()).unwrap());
        ID.run(22, || watch.send(ID.get()).unwrap());
        let answer = move || ID.run(23, || once.send(ID.get()).unwrap());
        thread::spawn(answer).join().unwrap();
        runtime.block_on(async {
            sender.await.unwrap();
            receiver.await.unwrap();
            for receiver in receivers {
                receiver.await.unwrap();
            }
        });
        assert_eq!(ID.get(), id);
    });
}

/// A request to the actor below: the argument, and the channel for the reply.
struct Request {
    number: u64,
    reply: oneshot::Sender<(u64, Option<u64>, Option<u64>)>,
}

/// Starts an actor that handles each request in its sender's frame. It also counts how often it was
/// outside of its own frame between requests.
fn start_actor(runtime: &Runtime) -> async_channel::Sender<WithFrame<Request>> {
    let (sender, receiver) = async_channel::bounded::<WithFrame<Request>>(2);
    drop(ID.run(1000, || {
        runtime.spawn(async move {
            while let Ok(message) = receiver.recv().await {
                assert_eq!(ID.get(), Some(1000), "the actor's own frame");
                let work = message.scope(|Request { number, reply }| async move {
                    let before = ID.get();
                    yield_now().await;
                    // A task that is spawned for a request is in the request's frame.
                    let child = spawn(async { ID.get() }).await.unwrap();
                    assert_eq!(before, ID.get());
                    reply.send((number + 1, before, child)).unwrap();
                });
                work.await;
                assert_eq!(ID.get(), Some(1000));
            }
        })
    }));
    sender
}

#[test]
fn c55_an_actor_works_in_the_senders_frame_where_the_message_carries_it() {
    everywhere(|runtime, id| {
        let actor = start_actor(runtime);
        let callers: Vec<_> = (0..8)
            .map(|number| {
                let (actor, kept) = (actor.clone(), Arc::new(()));
                let bindings = bind(&ID, number).and(&KEPT, Arc::clone(&kept));
                let (frame, site) = bound_here(bindings);
                let caller = frame.run(|| {
                    runtime.spawn(async move {
                        let (reply, replied) = oneshot::channel();
                        let request = Request { number, reply };
                        actor.send(WithFrame::new(request)).await.unwrap();
                        assert_eq!(ID.get(), Some(number));
                        replied.await.unwrap()
                    })
                });
                (number, caller, kept, site)
            })
            .collect();
        let site = callers[0].3;
        for (number, caller, kept, _) in callers {
            let reply = runtime.block_on(caller).unwrap();
            assert_eq!(reply, (number + 1, Some(number), Some(number)));
            // The actor releases the request's frame after it has opened and answered the request.
            while Arc::strong_count(&kept) > 1 {
                thread::yield_now();
            }
        }
        site.wait_until_none_is_live();
        // Sent from this frame, and by a task that has finished when its message is opened.
        let (reply, replied) = oneshot::channel();
        let here = WithFrame::new(Request { number: 1, reply });
        at_once(actor.send(here)).unwrap();
        assert_eq!(runtime.block_on(replied).unwrap(), (2, id, id));
    });
}

#[test]
fn c55_unopened_messages_are_dropped_in_their_senders_frames() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let (sender, receiver) = async_channel::unbounded();
        let here = log.tracker("here");
        at_once(sender.send(WithFrame::new(here))).unwrap();
        let sending = {
            let (sender, sent) = (sender.clone(), log.tracker("sent"));
            ID.run(10, || {
                runtime.spawn(async move { sender.send(WithFrame::new(sent)).await.unwrap() })
            })
        };
        runtime.block_on(sending).unwrap();
        drop(sender);
        // The receiver is dropped in another frame without receiving.
        let receiving = ID.run(11, || runtime.spawn(async move { drop(receiver) }));
        runtime.block_on(receiving).unwrap();
        assert_eq!(log.entries(), [("here", id), ("sent", Some(10))]);
    });
}

type Guard = Box<dyn Send>;
type Acquire = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Guard> + Send>> + Send + Sync>;

/// Returns several kinds of locks: for each a future that acquires it and returns a guard.
fn locks() -> Vec<(&'static str, Acquire)> {
    let futures_mutex = Arc::new(futures::lock::Mutex::new(()));
    let tokio_mutex = Arc::new(tokio::sync::Mutex::new(()));
    let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
    let rw_lock = Arc::new(tokio::sync::RwLock::new(()));
    let (permit, permits) = async_channel::bounded(1);
    permit.try_send(()).unwrap();
    fn boxed<F>(acquire: impl Fn() -> F + Send + Sync + 'static) -> Acquire
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        Arc::new(move || Box::pin(acquire().map(|guard| Box::new(guard) as Guard)))
    }
    vec![
        (
            "futures' mutex",
            boxed(move || Arc::clone(&futures_mutex).lock_owned()),
        ),
        (
            "a mutex",
            boxed(move || Arc::clone(&tokio_mutex).lock_owned()),
        ),
        (
            "a semaphore",
            boxed(move || Arc::clone(&semaphore).acquire_owned()),
        ),
        (
            "a lock for writing",
            boxed(move || Arc::clone(&rw_lock).write_owned()),
        ),
        (
            "a permit in a channel",
            boxed(move || {
                let (permit, permits) = (permit.clone(), permits.clone());
                async move {
                    permits.recv().await.unwrap();
                    support::on_drop(move || permit.try_send(()).unwrap())
                }
            }),
        ),
    ]
}

#[test]
fn c58_a_lock_that_is_handed_over_leaves_the_waiter_in_its_own_frame() {
    everywhere(|runtime, id| {
        for (what, acquire) in locks() {
            let held = ID.run(50, || at_once(acquire()));
            let waiting = Arc::new(AtomicUsize::new(0));
            let in_turn = Arc::new(AtomicUsize::new(0));
            let wait = |own: Option<u64>| {
                let (acquire, waiting) = (Arc::clone(&acquire), Arc::clone(&waiting));
                let in_turn = Arc::clone(&in_turn);
                async move {
                    let guard = counting_wait(&waiting, acquire()).await;
                    assert_eq!(ID.get(), own, "{what}, handed over");
                    assert_eq!(in_turn.fetch_add(1, Ordering::SeqCst), 0, "{what}");
                    yield_now().await;
                    assert_eq!(ID.get(), own, "{what}, held");
                    in_turn.fetch_sub(1, Ordering::SeqCst);
                    // Wakes the next waiter from this frame.
                    drop(guard);
                    assert_eq!(ID.get(), own, "{what}, given back");
                }
            };
            // Waiters in this frame, with bindings, in a scope, in the root frame, and in scopes of
            // one task.
            let mut tasks = vec![runtime.spawn(wait(id)), runtime.spawn_root(wait(None))];
            for number in 0..4 {
                tasks.push(ID.run(number, || runtime.spawn(wait(Some(number)))));
                tasks.push(runtime.spawn(ID.scope(10 + number, wait(Some(10 + number)))));
            }
            let (one, two) = (ID.scope(20, wait(Some(20))), ID.scope(21, wait(Some(21))));
            let here = wait(id);
            tasks.push(runtime.spawn(async move {
                future::join3(one, two, here).await;
                assert_eq!(ID.get(), id, "{what}");
            }));
            wait_for(&waiting, 13);
            ID.run(90, || drop(held));
            for task in tasks {
                runtime.block_on(task).unwrap();
            }
            assert_eq!(ID.get(), id);
        }
    });
}

#[test]
fn c58_a_blocking_holder_hands_over_to_a_waiter_in_its_own_frame() {
    everywhere(|runtime, id| {
        for (what, acquire) in locks() {
            let held = at_once(acquire());
            let waiting = Arc::new(AtomicUsize::new(0));
            let waiter = {
                let waiting = Arc::clone(&waiting);
                runtime.spawn(async move {
                    let guard = counting_wait(&waiting, acquire()).await;
                    (ID.get(), drop(guard), ID.get())
                })
            };
            wait_for(&waiting, 1);
            // The holder is on the blocking pool, in its own frame.
            let holder = ID.run(60, || runtime.spawn_blocking(move || drop(held)));
            runtime.block_on(holder).unwrap();
            assert_eq!(runtime.block_on(waiter).unwrap(), (id, (), id), "{what}");
        }
    });
}

/// A singleton of the process: the value of [`ID`] at its creation, and in its driver task.
struct Shared {
    made_in: Option<u64>,
    driver: Mutex<async_channel::Sender<oneshot::Sender<Option<u64>>>>,
}

impl Shared {
    /// Creates one, with a driver task that keeps running.
    async fn new() -> Shared {
        yield_now().await;
        let (driver, asked) = async_channel::unbounded::<oneshot::Sender<_>>();
        drop(spawn(async move {
            while let Ok(reply) = asked.recv().await {
                reply.send(ID.get()).unwrap();
            }
        }));
        Shared {
            made_in: ID.get(),
            driver: Mutex::new(driver),
        }
    }

    /// Returns the value of [`ID`] in its driver.
    async fn ask(&self) -> Option<u64> {
        let (reply, replied) = oneshot::channel();
        let driver = self.driver.lock().unwrap().clone();
        driver.send(reply).await.unwrap();
        replied.await.unwrap()
    }
}

type Cell = Arc<tokio::sync::OnceCell<Shared>>;

/// Runs eight requests that need the singleton at the same time. Each checks its own frame, and
/// that its values are freed when it has finished, unless `keeps`.
fn requests<F>(runtime: &Runtime, cell: &Cell, keeps: usize, init: impl Fn(Cell) -> F) -> Site
where
    F: Future<Output = ()> + Send + 'static,
{
    let requests: Vec<_> = (0..8)
        .map(|number| {
            let kept = Arc::new(());
            let bindings = bind(&ID, number).and(&KEPT, Arc::clone(&kept));
            let (frame, site) = bound_here(bindings);
            let (cell, init) = (Arc::clone(cell), init(Arc::clone(cell)));
            let task = frame.run(|| {
                runtime.spawn(async move {
                    init.await;
                    assert_eq!(ID.get(), Some(number));
                    cell.get().unwrap().ask().await;
                    assert_eq!(ID.get(), Some(number));
                })
            });
            (task, kept, site)
        })
        .collect();
    let site = requests[0].2;
    let mut freed = 0;
    for (task, kept, _) in requests {
        runtime.block_on(task).unwrap();
        freed += usize::from(Arc::strong_count(&kept) == 1);
    }
    assert_eq!(freed, 8 - keeps, "requests whose values are freed");
    site.assert_live(keeps);
    site
}

#[test]
fn c60_a_lazy_initializer_runs_in_the_frame_of_its_first_caller_unless_it_is_wrapped() {
    everywhere(|runtime, _| {
        // Unwrapped: it runs in the first request's frame, which its driver keeps alive.
        let cell = Cell::default();
        let site = requests(runtime, &cell, 1, |cell| async move {
            cell.get_or_init(Shared::new).await;
        });
        let shared = cell.get().unwrap();
        assert!(matches!(shared.made_in, Some(0..8)));
        assert_eq!(runtime.block_on(shared.ask()), shared.made_in);
        drop(cell);
        site.wait_until_none_is_live();

        // In the root frame: it belongs to no request.
        let cell = Cell::default();
        requests(runtime, &cell, 0, |cell| async move {
            let init = || Frame::root().scope(Shared::new());
            cell.get_or_init(init).await;
        });
        let shared = cell.get().unwrap();
        assert_eq!(
            (shared.made_in, runtime.block_on(shared.ask())),
            (None, None)
        );

        // As a separate task in the root frame.
        let cell = Cell::default();
        requests(runtime, &cell, 0, |cell| async move {
            let init = async || spawn_root(Shared::new()).await.unwrap();
            cell.get_or_init(init).await;
        });
        let shared = cell.get().unwrap();
        assert_eq!(
            (shared.made_in, runtime.block_on(shared.ask())),
            (None, None)
        );
    });
}

#[test]
fn c60_an_initializer_that_continues_for_a_second_request_is_in_the_root_frame_all_along() {
    everywhere(|runtime, id| {
        let seen: Arc<Mutex<Vec<Option<u64>>>> = Arc::default();
        let (release, released) = oneshot::channel::<()>();
        let shared = {
            let seen = Arc::clone(&seen);
            Frame::root().scope(async move {
                seen.lock().unwrap().push(ID.get());
                let _ = released.await;
                seen.lock().unwrap().push(ID.get());
            })
        };
        // A shared future: the first request polls it and is aborted, then the second request polls
        // it.
        let shared = shared.shared();
        let (polled, is_polled) = mpsc::channel();
        let first = {
            let shared = shared.clone();
            ID.run(1, || {
                runtime.spawn(async move {
                    let mut shared = shared;
                    assert!(future::poll_immediate(&mut shared).await.is_none());
                    polled.send(()).unwrap();
                    shared.await;
                })
            })
        };
        is_polled.recv().unwrap();
        first.abort();
        assert!(runtime.block_on(first).unwrap_err().is_cancelled());
        let second = ID.run(2, || runtime.spawn(shared));
        ID.run(3, || release.send(()).unwrap());
        runtime.block_on(second).unwrap();
        assert_eq!(*seen.lock().unwrap(), [None, None]);
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c60_a_static_that_is_made_at_its_first_use_can_be_made_at_the_root() {
    everywhere(|runtime, id| {
        let (as_it_comes, at_the_root) = (OnceLock::new(), OnceLock::new());
        let both = Arc::new((as_it_comes, at_the_root));
        let task = {
            let both = Arc::clone(&both);
            ID.run(7, || {
                runtime.spawn(async move {
                    let first = both.0.get_or_init(|| ID.get());
                    let second = both.1.get_or_init(|| Frame::root().run(|| ID.get()));
                    (*first, *second, ID.get())
                })
            })
        };
        assert_eq!(runtime.block_on(task).unwrap(), (Some(7), None, Some(7)));
        // A later caller gets the value of the first one.
        assert_eq!(both.0.get_or_init(|| ID.get()), &Some(7));
        assert_eq!((both.1.get(), ID.get()), (Some(&None), id));
    });
}

/// Without an executor: polled here, with a waker that records the frame in which it is called.
#[test]
fn c58_a_waiter_on_another_executor_is_woken_in_the_holders_frame_and_polled_in_its_own() {
    everywhere(|_runtime, id| {
        for (what, acquire) in locks() {
            let held = ID.run(50, || at_once(acquire()));
            let (sender, woken) = mpsc::channel();
            let sender = Mutex::new(sender);
            let waker = support::call_waker(move || {
                sender.lock().unwrap().send(ID.get()).unwrap();
            });
            let mut waiter = acquire();
            assert!(support::poll_once(&mut waiter, &waker).is_pending());
            // The waker's code runs in its caller's frame (C-50).
            ID.run(90, || drop(held));
            assert_eq!(woken.recv().unwrap(), Some(90), "{what}");
            let polled = support::poll_once(&mut waiter, &waker);
            assert!(matches!(polled, Poll::Ready(_)), "{what}");
            assert_eq!(ID.get(), id);
        }
    });
}
