//! `LocalSet`: tasks that other threads wake, abort and join, and that run on the set's thread
//! only.
//!
//! The shipped set, tasks and list; the set's thread polls the set by hand with a [`TestWaker`]. A
//! wake-up that the set loses leaves its thread waiting for its waker (a deadlock), or a task
//! unfinished. Assertions report a future that is dropped on another thread, in another frame,
//! twice or never. loom reports races and leaks.
#![cfg(framewise_loom)]

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use framewise::model::ModelRuntime;
use framewise::task::{LocalSet, spawn_local};
use framewise::{ContextVar, Frame, JoinHandle};
use framewise_loom_tests::{
    DropObserver, DropTracker, PoisoningAllocator, TestWaker, model, model_with_panics,
};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;
use framewise_sync::{Arc, Mutex, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

static REQUEST: ContextVar<u64> = ContextVar::new("request");

framewise_sync::thread_local! {
    /// Set on the set's thread.
    static IS_SET_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// What other threads write for a task. Relaxed on purpose: only the wake makes the poll see it.
#[derive(Clone, Default)]
struct Notified(Arc<AtomicUsize>);

impl Notified {
    fn notify(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Stores its waker at its first poll, and is ready once it was notified often enough. It asserts
/// that it is polled and dropped on its thread and in its frame.
struct Listener {
    notified: Notified,
    wanted: usize,
    waker: Arc<Mutex<Option<std::task::Waker>>>,
    polls: UnsafeCell<usize>,
    /// A task of a set need not be `Send`.
    _not_send: Rc<()>,
    _end: DropTracker,
}

struct Remote {
    notified: Notified,
    waker: Arc<Mutex<Option<std::task::Waker>>>,
    end: DropObserver,
}

impl Listener {
    fn new(wanted: usize) -> (Self, Remote) {
        let (end, watch) = DropTracker::new();
        let listener = Self {
            notified: Notified::default(),
            wanted,
            waker: Arc::default(),
            polls: UnsafeCell::new(0),
            _not_send: Rc::new(()),
            _end: end,
        };
        let remote = Remote {
            notified: listener.notified.clone(),
            waker: Arc::clone(&listener.waker),
            end: watch,
        };
        (listener, remote)
    }
}

/// Asserts that this is the set's thread, in the task's frame.
#[track_caller]
fn assert_at_home() {
    assert!(IS_SET_THREAD.with(Cell::get), "on another thread");
    assert_eq!(REQUEST.get(), Some(7), "in another frame");
}

impl Future for Listener {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        assert_at_home();
        // SAFETY: loom reports a concurrent access.
        let polls = self.polls.with_mut(|polls| unsafe {
            *polls += 1;
            *polls
        });
        if polls == 1 {
            *self.waker.lock() = Some(cx.waker().clone());
        }
        if self.notified.0.load(Ordering::Relaxed) == self.wanted {
            Poll::Ready(polls)
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        assert_at_home();
    }
}

impl Remote {
    /// Returns the waker that the first poll stored.
    fn waker(&self) -> std::task::Waker {
        let waker = self.waker.lock().take();
        waker.expect("the task was polled")
    }
}

/// Creates a set and marks its thread.
fn set() -> LocalSet {
    IS_SET_THREAD.with(|is_set_thread| is_set_thread.set(true));
    LocalSet::new()
}

/// A task in its frame.
fn spawn(set: &LocalSet, wanted: usize) -> (JoinHandle<usize>, Remote) {
    let (listener, remote) = Listener::new(wanted);
    (REQUEST.run(7, || set.spawn_local(listener)), remote)
}

/// Race: two threads wake the set's task while the set is polled, first with a new waker. Failure:
/// one takes the waker that is just being replaced, and the new one is not woken.
#[test]
fn wakes_meet_polls_of_the_set() {
    model("local set: wake × wake × poll, new waker", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 2);
        assert!(TestWaker::new().poll(&mut set).is_pending());
        let waker = remote.waker();
        let waking = [waker.clone(), waker].map(|waker| {
            let notified = remote.notified.clone();
            thread::spawn(move || {
                notified.notify();
                waker.wake();
            })
        });
        TestWaker::new().block_on(&mut set);
        for waking in waking {
            waking.join().unwrap();
        }
        assert!(finished(handle));
        assert!(remote.end.is_dropped());
    });
}

/// Race: a thread wakes the set's task while the set is polled with the same waker. Failure: the
/// set relies on a waker that the wake took.
#[test]
fn a_wake_meets_polls_with_the_same_waker() {
    model("local set: wake, wake × poll, same waker", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 2);
        let test_waker = TestWaker::new();
        assert!(test_waker.poll(&mut set).is_pending());
        let waker = remote.waker();
        let waking = thread::spawn({
            let notified = remote.notified.clone();
            move || {
                notified.notify();
                waker.wake_by_ref();
                notified.notify();
                waker.wake();
            }
        });
        // It is woken once for each waker that it stored, and polled again.
        test_waker.block_on(&mut set);
        waking.join().unwrap();
        assert!(finished(handle));
        assert!(remote.end.is_dropped());
    });
}

/// Race: two threads wake one task each. Failure: the second one relies on a waker that the first
/// one took for a poll that has returned by then.
#[test]
fn wakes_of_two_tasks_meet_polls_of_the_set() {
    model("local set: wake × wake × poll, two tasks", || {
        let mut set = set();
        let tasks = [spawn(&set, 1), spawn(&set, 1)];
        let test_waker = TestWaker::new();
        assert!(test_waker.poll(&mut set).is_pending());
        let waking = tasks.each_ref().map(|(_, remote)| {
            let (notified, waker) = (remote.notified.clone(), remote.waker());
            thread::spawn(move || {
                notified.notify();
                waker.wake();
            })
        });
        test_waker.block_on(&mut set);
        for waking in waking {
            waking.join().unwrap();
        }
        for (handle, remote) in tasks {
            assert!(finished(handle));
            assert!(remote.end.is_dropped());
        }
    });
}

/// Race: one thread aborts the task and another one wakes it, while the set runs. Failure: the
/// abort is lost and the set waits forever, or the aborting thread drops the future.
#[test]
fn an_abort_meets_a_wake_and_the_run() {
    model("local set: abort × wake × run", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 2);
        let test_waker = TestWaker::new();
        assert!(test_waker.poll(&mut set).is_pending());
        let waker = remote.waker();
        let aborting = thread::spawn({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        let waking = thread::spawn({
            let notified = remote.notified.clone();
            move || {
                notified.notify();
                waker.wake();
            }
        });
        test_waker.block_on(&mut set);
        aborting.join().unwrap();
        waking.join().unwrap();
        assert!(!finished(handle), "it was notified only once");
        assert!(remote.end.is_dropped());
    });
}

/// Race: another thread aborts the task while the set is dropped. Failure: the drop does not wait
/// for the aborter, which is the task's holder, or the future is dropped on another thread.
#[test]
fn an_abort_meets_the_drop_of_the_set() {
    model("local set: abort × drop of the set", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 1);
        assert!(TestWaker::new().poll(&mut set).is_pending());
        let aborting = thread::spawn({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        drop(set);
        assert!(remote.end.is_dropped(), "the set's drop leaves a future");
        assert!(!finished(handle));
        aborting.join().unwrap();
    });
}

/// Race: another thread wakes the task, and a third drops its waker, while the set is dropped.
/// Failure: like above, or the task is pushed to a set that is gone.
#[test]
fn a_wake_meets_the_drop_of_the_set() {
    model(
        "local set: wake × waker dropped × drop of the set",
        || {
            let mut set = set();
            let (handle, remote) = spawn(&set, 1);
            assert!(TestWaker::new().poll(&mut set).is_pending());
            let waker = remote.waker();
            let dropping = thread::spawn({
                let waker = waker.clone();
                move || drop(waker)
            });
            let waking = thread::spawn(move || waker.wake());
            drop(set);
            assert!(remote.end.is_dropped(), "the set's drop leaves a future");
            assert!(!finished(handle));
            dropping.join().unwrap();
            waking.join().unwrap();
        },
    );
}

/// Race: a task spawns another one onto its set, and another thread awaits its handle while the set
/// runs it. Failure: the joiner's waker is lost, or the set ends without the task.
#[test]
fn a_task_spawns_another_that_is_joined_elsewhere() {
    model("local set: spawn_local in a task × join elsewhere", || {
        let set = set();
        let handed: Arc<Mutex<Option<JoinHandle<usize>>>> = Arc::default();
        let (listener, remote) = Listener::new(0);
        let outer = REQUEST.run(7, || {
            let handed = Arc::clone(&handed);
            set.spawn_local(async move {
                *handed.lock() = Some(spawn_local(listener));
            })
        });
        let mut set = set;
        let joining = thread::spawn({
            let handed = Arc::clone(&handed);
            move || {
                let handle = handed.lock().take();
                // If it is too late, it joins nothing.
                handle.map(|mut handle| TestWaker::new().block_on(&mut handle))
            }
        });
        TestWaker::new().block_on(&mut set);
        if let Some(joined) = joining.join().unwrap() {
            assert_eq!(joined.ok(), Some(1));
        }
        assert!(finished(outer));
        assert!(remote.end.is_dropped());
    });
}

/// Race: another thread awaits a task while it completes in the set. Failure: it waits forever.
#[test]
fn a_joiner_elsewhere_meets_the_run() {
    model("local set: join elsewhere × run", || {
        let mut set = set();
        let (mut handle, remote) = spawn(&set, 0);
        let joining = thread::spawn(move || TestWaker::new().block_on(&mut handle));
        assert!(TestWaker::new().poll(&mut set).is_ready());
        assert!(remote.end.is_dropped());
        assert_eq!(joining.join().unwrap().ok(), Some(1));
    });
}

/// Race: another thread awaits a task, in its frame, while its set is dropped. Failure: it waits
/// forever, or gets another outcome.
#[test]
fn a_joiner_elsewhere_meets_the_drop() {
    model("local set: join elsewhere × drop of the set", || {
        let set = set();
        let (mut handle, remote) = spawn(&set, 1);
        let joining = thread::spawn(move || TestWaker::new().block_on(&mut handle));
        drop(set);
        assert!(remote.end.is_dropped());
        let joined = joining.join().unwrap();
        assert!(joined.is_err_and(|error| error.is_cancelled()));
    });
}

/// Race: one thread wakes the future beside the set's tasks and another one a task, while
/// `run_until` is polled. Failure: one of the two wakes goes to the waker of an earlier poll.
#[test]
fn wakes_meet_run_until() {
    model("local set: run_until × wake × wake", || {
        let set = set();
        let (handle, remote) = spawn(&set, 1);
        let (beside, of_beside) = Listener::new(1);
        let frame = REQUEST.run(7, Frame::current);
        frame.run(|| {
            let mut beside = pin!(beside);
            let mut both = pin!(set.run_until(async {
                beside.as_mut().await;
                handle.await
            }));
            let test_waker = TestWaker::new();
            assert!(test_waker.poll(&mut both).is_pending());
            let waking = [&remote, &of_beside].map(|remote| {
                let (notified, waker) = (remote.notified.clone(), remote.waker());
                thread::spawn(move || {
                    notified.notify();
                    waker.wake();
                })
            });
            assert_eq!(test_waker.block_on(&mut both).ok(), Some(2));
            for waking in waking {
                waking.join().unwrap();
            }
        });
        drop((set, frame));
        assert!(remote.end.is_dropped() && of_beside.end.is_dropped());
    });
}

/// Race: two threads wake a task each while the set has two pollers with a waker each, one of which
/// is dropped. Failure: the other poller relies on a waker that was dropped.
#[test]
fn wakes_meet_two_pollers_of_which_one_is_dropped() {
    model("local set: wake × two run_until × one dropped", || {
        let set = set();
        let (handle, remote) = spawn(&set, 1);
        let waits_test_waker = TestWaker::new();
        let mut waits = pin!(set.run_until(handle));
        assert!(waits_test_waker.poll(&mut waits).is_pending());
        let (notified, waker) = (remote.notified.clone(), remote.waker());
        let waking = thread::spawn(move || {
            notified.notify();
            waker.wake();
        });
        {
            let mut dropped = pin!(set.run_until(std::future::pending::<()>()));
            // It may run the task, or find none yet and store its waker as the newest.
            assert!(TestWaker::new().poll(&mut dropped).is_pending());
        }
        // It is not polled again before it is woken.
        waits_test_waker.wait();
        assert_eq!(waits_test_waker.block_on(&mut waits).ok(), Some(2));
        waking.join().unwrap();
        assert!(remote.end.is_dropped());
    });
}

/// Race: a task is woken while two pollers are polled in turn, each when its own waker is woken.
/// Failure: the wake goes to one of them only, and that one ends without using it.
#[test]
fn a_wake_meets_two_pollers_of_which_one_ends() {
    model("local set: wake × two run_until × one ends", || {
        let set = set();
        let (handle, remote) = spawn(&set, 1);
        let test_wakers = [TestWaker::new(), TestWaker::new()];
        let mut ends = pin!(set.run_until(Countdown(2)));
        let mut waits = pin!(set.run_until(handle));
        assert!(test_wakers[0].poll(&mut waits).is_pending());
        let (notified, waker) = (remote.notified.clone(), remote.waker());
        let waking = thread::spawn(move || {
            notified.notify();
            waker.wake();
        });
        assert!(test_wakers[1].poll(&mut ends).is_pending());
        assert!(test_wakers[1].poll(&mut ends).is_ready());
        test_wakers[0].wait();
        assert_eq!(test_wakers[0].block_on(&mut waits).ok(), Some(2));
        waking.join().unwrap();
        assert!(remote.end.is_dropped());
    });
}

/// Ready at the poll with that number.
struct Countdown(usize);

impl Future for Countdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        self.0 -= 1;
        if self.0 == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Race: another thread aborts a task while the set is dropped, in which another task's destructor
/// spawns. Failure: the spawned task, which is rejected, removes the aborted one from the list, and
/// the drop does not wait for the aborter.
#[test]
fn an_abort_meets_the_drop_in_which_a_destructor_spawns() {
    /// Spawns when it is dropped.
    struct Spawns(Arc<Mutex<Option<JoinHandle<()>>>>);

    impl Drop for Spawns {
        fn drop(&mut self) {
            *self.0.lock() = Some(spawn_local(async {}));
        }
    }

    model("local set: abort × drop × spawn in a destructor", || {
        let mut set = set();
        let spawned: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
        let spawns = Spawns(Arc::clone(&spawned));
        drop(set.spawn_local(async move {
            let _spawns = spawns;
            std::future::pending::<()>().await;
        }));
        // The newer one is in front in the list.
        let (handle, remote) = spawn(&set, 1);
        assert!(TestWaker::new().poll(&mut set).is_pending());
        let aborting = thread::spawn({
            let abort = handle.abort_handle();
            move || abort.abort()
        });
        drop(set);
        assert!(remote.end.is_dropped(), "the set's drop leaves a future");
        assert!(!finished(handle));
        aborting.join().unwrap();
        let spawned = spawned.lock().take().expect("the destructor has spawned");
        assert!(!finished(spawned), "it was rejected");
    });
}

/// The message of the panics in the models below.
const PLANNED: &str = "a task of the set panics, as planned";

/// Spawns a task that panics once it was notified often enough.
fn spawn_panicking(set: &LocalSet, wanted: usize) -> (JoinHandle<()>, Remote) {
    let (listener, remote) = Listener::new(wanted);
    let handle = REQUEST.run(7, || {
        set.spawn_local(async move {
            listener.await;
            panic!("{PLANNED}");
        })
    });
    (handle, remote)
}

/// Race: a task panics while another thread, which is in no runtime, drops its handle. The set ran
/// in the runtime before, and is polled outside of it now, so only the set leads to the hook.
/// Failure: neither side reports the panic, or both do.
#[test]
fn a_panic_meets_the_drop_of_its_handle() {
    model_with_panics("local set: panic × handle dropped", &[PLANNED], || {
        let runtime = ModelRuntime::new();
        let mut set = set();
        let (handle, remote) = spawn_panicking(&set, 1);
        runtime.run(|| assert!(TestWaker::new().poll(&mut set).is_pending()));
        let (notified, waker) = (remote.notified.clone(), remote.waker());
        let dropping = thread::spawn(move || {
            notified.notify();
            waker.wake();
            drop(handle);
        });
        TestWaker::new().block_on(&mut set);
        dropping.join().unwrap();
        assert!(remote.end.is_dropped());
        assert_eq!(runtime.reports(), 1, "reports of one panic");
    });
}

/// Race: one thread wakes the task, another one aborts it and drops its handle. Failure: a panic
/// before the abort is not reported, or a cancelled task is.
#[test]
fn a_panic_meets_an_abort_and_the_drop_of_its_handle() {
    model_with_panics(
        "local set: panic × abort, handle dropped",
        &[PLANNED],
        || {
            let runtime = ModelRuntime::new();
            let mut set = set();
            let (listener, remote) = Listener::new(1);
            let panicked = Rc::new(Cell::new(0));
            let handle = REQUEST.run(7, || {
                let panicked = Rc::clone(&panicked);
                set.spawn_local(async move {
                    listener.await;
                    panicked.set(1);
                    panic!("{PLANNED}");
                })
            });
            runtime.run(|| assert!(TestWaker::new().poll(&mut set).is_pending()));
            let (notified, waker) = (remote.notified.clone(), remote.waker());
            let waking = thread::spawn(move || {
                notified.notify();
                waker.wake();
            });
            let aborting = thread::spawn(move || {
                handle.abort();
                drop::<JoinHandle<()>>(handle);
            });
            TestWaker::new().block_on(&mut set);
            waking.join().unwrap();
            aborting.join().unwrap();
            assert!(remote.end.is_dropped());
            assert_eq!(runtime.reports(), panicked.get(), "reports of the panics");
        },
    );
}

/// Race: a set that has run in one runtime is polled in another, for a task that a third thread
/// wakes, while that thread drops the handle of a task that has panicked. Failure: the panic is
/// reported to neither runtime or to both, or a later one to the earlier runtime.
#[test]
fn a_panic_without_a_handle_meets_a_set_that_changes_runtimes() {
    model_with_panics(
        "local set: handle dropped × another runtime",
        &[PLANNED],
        || {
            let runtimes = [ModelRuntime::new(), ModelRuntime::new()];
            let mut set = set();
            let (early, of_early) = spawn_panicking(&set, 0);
            let (late, of_late) = spawn_panicking(&set, 1);
            runtimes[0].run(|| assert!(TestWaker::new().poll(&mut set).is_pending()));
            let (notified, waker) = (of_late.notified.clone(), of_late.waker());
            let dropping = thread::spawn(move || {
                notified.notify();
                waker.wake();
                drop(early);
            });
            runtimes[1].run(|| TestWaker::new().block_on(&mut set));
            dropping.join().unwrap();
            let of_last = runtimes[1].reports();
            assert_eq!(runtimes[0].reports() + of_last, 1, "reports of one panic");
            thread::spawn(move || drop(late)).join().unwrap();
            assert_eq!(
                runtimes[1].reports(),
                of_last + 1,
                "the later panic is reported to the runtime that ran the set last"
            );
            assert!(of_early.end.is_dropped() && of_late.end.is_dropped());
        },
    );
}

/// Returns `true` if the task has ended with an output.
#[track_caller]
fn finished<T>(mut handle: JoinHandle<T>) -> bool {
    match TestWaker::new().poll(&mut handle) {
        Poll::Ready(Ok(_)) => true,
        Poll::Ready(Err(error)) => {
            assert!(error.is_cancelled());
            false
        }
        Poll::Pending => panic!("the joiner would wait forever"),
    }
}

/// Control: a set that is polled by one wake less than its task needs.
#[test]
#[should_panic(expected = "the joiner would wait forever")]
fn control_a_task_that_is_not_woken_is_noticed() {
    model("local set: control, no wake", || {
        let mut set = set();
        let (handle, remote) = spawn(&set, 1);
        assert!(TestWaker::new().poll(&mut set).is_pending());
        remote.notified.notify();
        assert!(TestWaker::new().poll(&mut set).is_pending());
        finished(handle);
    });
}

/// Control: a future that is dropped on a thread that is not the set's.
#[test]
#[should_panic(expected = "on another thread")]
fn control_a_future_that_is_dropped_elsewhere_is_noticed() {
    /// Moves a task's future to another thread.
    struct Smuggled(Listener);
    // SAFETY: none: the control is about this, and loom runs all threads on one.
    unsafe impl Send for Smuggled {}

    model("local set: control, dropped on another thread", || {
        let _set = set();
        let smuggled = Smuggled(Listener::new(1).0);
        let thread = thread::spawn(move || {
            let Smuggled(listener) = { smuggled };
            REQUEST.run(7, || drop(listener));
        });
        thread.join().unwrap();
    });
}
