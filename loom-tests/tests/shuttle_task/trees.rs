//! Trees of tasks that join their children, and a shutdown that meets everything.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise::model::ModelScheduler;
use framewise::{Frame, JoinHandle};
use framewise_loom_tests::{
    DropObserver, DropTracker, Listener, Notified, TestWaker, below, schedules,
};
use framewise_sync::{Arc, Mutex, thread};

use crate::{Workers, bound_frame, join};

/// A task that spawns two others, wakes itself in between, and waits for both.
struct Parent {
    scheduler: ModelScheduler,
    depth: usize,
    children: Vec<JoinHandle<usize>>,
    done: usize,
    yields: usize,
    _end: DropTracker,
    ends: Arc<Mutex<Vec<DropObserver>>>,
}

impl Parent {
    fn new(scheduler: &ModelScheduler, depth: usize, ends: &Arc<Mutex<Vec<DropObserver>>>) -> Self {
        let (end, watch) = DropTracker::new();
        ends.lock().push(watch);
        Self {
            scheduler: scheduler.clone(),
            depth,
            children: Vec::new(),
            done: 0,
            yields: below(3),
            _end: end,
            ends: ends.clone(),
        }
    }
}

impl Future for Parent {
    /// The number of tasks below, itself included.
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        if self.yields > 0 {
            self.yields -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.depth > 0 {
            let depth = std::mem::take(&mut self.depth) - 1;
            self.children = (0..2)
                .map(|_| {
                    let child = Self::new(&self.scheduler, depth, &self.ends);
                    self.scheduler.spawn(child, Frame::current())
                })
                .collect();
        }
        let mut children = std::mem::take(&mut self.children);
        children.retain_mut(|child| match Pin::new(child).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(below) => {
                // An aborted child has none that count.
                self.done += below.unwrap_or(0);
                false
            }
        });
        self.children = children;
        if self.children.is_empty() {
            Poll::Ready(self.done + 1)
        } else {
            Poll::Pending
        }
    }
}

/// A tree of tasks that join their children on other workers' threads: a lost join waker is a root
/// that is never joined. One of the roots is aborted, and its children continue.
#[test]
fn trees_of_tasks_join_their_children() {
    schedules("two trees of seven tasks, one aborted", 300, || {
        let scheduler = ModelScheduler::with_list();
        let workers = Workers::start(&scheduler);
        let ends = Arc::new(Mutex::new(Vec::new()));
        let (frame, value) = bound_frame();
        let whole = scheduler.spawn(Parent::new(&scheduler, 2, &ends), frame);
        let cut = scheduler.spawn(Parent::new(&scheduler, 2, &ends), Frame::root());
        let aborter = thread::spawn({
            let abort = cut.abort_handle();
            move || abort.abort()
        });
        let joiners = [(whole, true), (cut, false)].map(|(mut handle, is_whole)| {
            thread::spawn(move || match TestWaker::new().block_on(&mut handle) {
                Ok(count) => assert_eq!(count, 7),
                Err(error) => assert!(error.is_cancelled() && !is_whole),
            })
        });
        join(joiners);
        join([aborter]);
        // The children of the aborted root continue by themselves.
        while !scheduler.is_empty() {
            thread::yield_now();
        }
        workers.end();
        assert!(ends.lock().iter().all(DropObserver::is_dropped));
        assert!(value.is_dropped());
    });
}

/// The end of a runtime during spawns from three threads, wakes and completions: each joiner gets
/// an outcome, and no task is left in the list.
#[test]
fn a_shutdown_meets_everything() {
    schedules("close × nine spawns × wakes × joins", 400, || {
        let scheduler = ModelScheduler::with_list();
        let workers = Workers::start(&scheduler);
        let spawners: Vec<_> = (0..3)
            .map(|_| {
                let scheduler = scheduler.clone();
                thread::spawn(move || {
                    let notified = Notified::default();
                    let tasks: Vec<_> = (0..3)
                        .map(|wanted| {
                            let (frame, value) = bound_frame();
                            let (listener, watches) = Listener::new(&notified, wanted);
                            (scheduler.spawn(listener, frame), watches, value)
                        })
                        .collect();
                    notified.notify(1);
                    for (mut handle, watches, value) in tasks {
                        match TestWaker::new().block_on(&mut handle) {
                            Ok(output) => output.touch(),
                            Err(error) => assert!(error.is_cancelled()),
                        }
                        assert!(value.is_dropped(), "a joined task holds no frame");
                        watches.assert_dropped();
                    }
                })
            })
            .collect();
        scheduler.close();
        // Like the shipped end: a spawner may still hold its task.
        while !scheduler.is_empty() {
            thread::yield_now();
            scheduler.run_all();
        }
        join(spawners);
        workers.end();
        assert!(
            scheduler.is_empty(),
            "a task is in the list and in no queue"
        );
    });
}
