//! `JoinSet`: ends of members against waits, spawns, detaching and the drop of the set.
//!
//! The shipped set and tasks on a minimal scheduler. A joiner that is not woken blocks forever,
//! which loom reports as a deadlock. Assertions report an output that is joined twice or never;
//! loom reports races and leaks.
#![cfg(framewise_loom)]

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use framewise::model::ModelScheduler;
use framewise::task::{self, JoinSet};
use framewise_loom_tests::{
    DropObserver, DropTracker, PoisoningAllocator, TestWaker, model, model_with_panics,
};
use framewise_sync::thread;

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

/// Ready at its first poll, with an output that reports its drop.
struct Member(usize, Option<DropTracker>);

impl Future for Member {
    type Output = (usize, DropTracker);

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = self.1.take().expect("it is polled once");
        Poll::Ready((self.0, output))
    }
}

type Set = JoinSet<(usize, DropTracker)>;

fn spawn(scheduler: &ModelScheduler, set: &mut Set, number: usize) -> DropObserver {
    let (output, observer) = DropTracker::new();
    drop(scheduler.spawn_in(set, Member(number, Some(output))));
    observer
}

/// Runs what is runnable now, on a thread of its own.
fn run_all(scheduler: &ModelScheduler) -> thread::JoinHandle<()> {
    let scheduler = scheduler.clone();
    thread::spawn(move || scheduler.run_all())
}

fn run_one(scheduler: &ModelScheduler) -> thread::JoinHandle<()> {
    let scheduler = scheduler.clone();
    thread::spawn(move || {
        if let Some(runnable) = scheduler.take() {
            runnable.run_to_end();
        }
    })
}

/// Joins the next member, and waits for it.
fn join_next(waker: &std::sync::Arc<TestWaker>, set: &mut Set) -> Option<usize> {
    let mut next = pin!(set.join_next());
    let joined = waker.block_on(&mut next)?;
    Some(joined.expect("it neither panics nor is aborted").0)
}

/// Race: the body of a scope has given its children away, and another thread drops them while the
/// scope ends. Failure: a scope that ends well although it was without its children, a hang or a
/// leak.
#[test]
fn a_scope_meets_the_drop_of_its_children_elsewhere() {
    let planned = &["the `TaskScope` of a scope must not leave its body"];
    model_with_panics("scope: end × drop elsewhere", planned, || {
        let (dropper, dropped) = std::sync::mpsc::channel();
        let scope = task::scope(move |children: task::TaskScope<()>| {
            let thread = thread::spawn(move || drop(children));
            dropper.send(thread).expect("the test receives it");
            std::future::ready(7)
        });
        let mut scope = Box::pin(scope);
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| {
            scope.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        }));
        drop(scope);
        assert!(polled.is_err() || polled.is_ok_and(|polled| polled == Poll::Ready(7)));
        let thread = dropped.recv().expect("the body has run");
        thread.join().expect("no panic");
    });
}

/// Race: two members end on two threads while they are joined. Failure: an end that neither is
/// found nor wakes the joiner.
#[test]
fn two_ends_meet_the_joiner() {
    model("join set: end × end × join", || {
        let scheduler = ModelScheduler::new();
        let mut set = Set::new();
        let outputs = [1, 2].map(|number| spawn(&scheduler, &mut set, number));
        let runners = [run_one(&scheduler), run_one(&scheduler)];
        let waker = TestWaker::new();
        let mut joined = [0; 2].map(|_| join_next(&waker, &mut set));
        joined.sort_unstable();
        assert_eq!(joined, [Some(1), Some(2)]);
        assert_eq!(join_next(&waker, &mut set), None);
        for runner in runners {
            runner.join().expect("no panic");
        }
        assert!(outputs.iter().all(DropObserver::is_dropped));
    });
}

/// Race: a member ends while a wait is dropped and another begins, with another waker. Failure: the
/// end takes the waker of the first wait, and the second is not woken.
#[test]
fn an_end_meets_a_wait_that_is_dropped() {
    model("join set: end × dropped wait × join", || {
        let scheduler = ModelScheduler::new();
        let mut set = Set::new();
        let output = spawn(&scheduler, &mut set, 1);
        let runner = run_all(&scheduler);
        let first = TestWaker::new();
        let joined = {
            let mut wait = pin!(set.join_next());
            first.poll(&mut wait)
        };
        let joined = match joined {
            Poll::Ready(next) => next.map(|joined| joined.expect("it does not panic").0),
            Poll::Pending => join_next(&TestWaker::new(), &mut set),
        };
        assert_eq!(joined, Some(1));
        runner.join().expect("no panic");
        assert!(output.is_dropped());
    });
}

/// Race: a member ends while the set is polled with one waker after the other.
#[test]
fn an_end_meets_a_new_waker() {
    model("join set: end × poll, new waker", || {
        let scheduler = ModelScheduler::new();
        let mut set = Set::new();
        let output = spawn(&scheduler, &mut set, 1);
        let runner = run_all(&scheduler);
        loop {
            let first = Waker::from(TestWaker::new());
            if set
                .poll_join_next(&mut Context::from_waker(&first))
                .is_ready()
            {
                break;
            }
            let last = TestWaker::new();
            let polled = Waker::from(std::sync::Arc::clone(&last));
            if set
                .poll_join_next(&mut Context::from_waker(&polled))
                .is_ready()
            {
                break;
            }
            last.wait();
        }
        assert!(set.is_empty());
        runner.join().expect("no panic");
        assert!(output.is_dropped());
    });
}

/// Race: a member is run while its handle gets its waker. Failure: the set never hears of the end.
#[test]
fn a_member_ends_while_it_is_added() {
    model("join set: spawn × run", || {
        let scheduler = ModelScheduler::new();
        let mut set = Set::new();
        let runner = run_one(&scheduler);
        let output = spawn(&scheduler, &mut set, 1);
        runner.join().expect("no panic");
        // If the runner came too early.
        scheduler.run_all();
        let (number, _output) = set
            .try_join_next()
            .expect("it has ended")
            .expect("it does not panic");
        assert_eq!(number, 1);
        assert!(!output.is_dropped());
    });
}

/// Race: a member that is detached ends while another takes its place. Failure: the end counts as
/// that of the other one, whose output is then taken too early, or which is never joined.
#[test]
fn an_end_after_detaching_meets_the_next_member() {
    model("join set: end × detach × spawn × join", || {
        let scheduler = ModelScheduler::new();
        let mut set = Set::new();
        let detached = spawn(&scheduler, &mut set, 1);
        let runner = run_one(&scheduler);
        set.detach_all();
        let joined = spawn(&scheduler, &mut set, 2);
        scheduler.run_all();
        // The runner may have either of them.
        assert_eq!(join_next(&TestWaker::new(), &mut set), Some(2));
        assert!(set.is_empty());
        runner.join().expect("no panic");
        scheduler.run_all();
        assert!(detached.is_dropped());
        assert!(joined.is_dropped());
    });
}

/// Race: a member ends while the set is dropped, which has a waker. Failure: the output is dropped
/// twice or never, or the task or the queue leaks.
#[test]
fn an_end_meets_the_drop_of_the_set() {
    model("join set: end × drop", || {
        let scheduler = ModelScheduler::new();
        let mut set = Set::new();
        let output = spawn(&scheduler, &mut set, 1);
        let runner = run_all(&scheduler);
        let waker = Waker::from(TestWaker::new());
        let polled = set.poll_join_next(&mut Context::from_waker(&waker));
        drop(set);
        drop(polled);
        runner.join().expect("no panic");
        scheduler.run_all();
        assert!(output.is_dropped());
    });
}

/// Control: a joiner that looks without leaving its waker, in the structure of
/// `an_end_meets_a_new_waker`.
#[test]
#[should_panic(expected = "deadlock")]
fn control_a_wait_without_a_waker_is_noticed() {
    model("control: join set: end × look × wait", || {
        let scheduler = ModelScheduler::new();
        let mut set = Set::new();
        let _output = spawn(&scheduler, &mut set, 1);
        let runner = run_all(&scheduler);
        if set.try_join_next().is_none() {
            TestWaker::new().wait();
        }
        runner.join().expect("no panic");
    });
}
