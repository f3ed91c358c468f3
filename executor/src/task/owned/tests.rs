use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;

use framewise_context::Frame;
use framewise_sync::Mutex;

use super::OwnedTasks;
use crate::task::cell::{self, Schedule};
use crate::task::error::JoinError;
use crate::task::header::{RunResult, TaskRef};

/// A list with a queue, and nothing else.
#[derive(Clone)]
struct Scheduler(Arc<(OwnedTasks, Mutex<VecDeque<TaskRef>>)>);

impl Scheduler {
    fn new() -> Self {
        Self(Arc::new((OwnedTasks::new(), Mutex::new(VecDeque::new()))))
    }

    fn list(&self) -> &OwnedTasks {
        &self.0.0
    }

    /// Makes a new task, which the caller holds and inserts.
    fn task(&self, dropped: &Arc<()>) -> TaskRef {
        let dropped = Arc::clone(dropped);
        let future = async move {
            let _dropped = dropped;
            pending::<()>().await;
        };
        cell::allocate(future, Frame::root(), self.clone(), (), false)
    }

    /// Makes a task in the list that has had its first poll, and waits.
    fn insert_idle(&self, dropped: &Arc<()>) -> TaskRef {
        let task = self.task(dropped);
        assert!(self.list().insert(task));
        run(task);
        task
    }

    fn run_queue(&self) {
        loop {
            let task = self.0.1.lock().pop_front();
            match task {
                Some(task) => run(task),
                None => return,
            }
        }
    }
}

impl Schedule for Scheduler {
    fn schedule(&self, task: TaskRef) {
        self.0.1.lock().push_back(task);
    }

    fn release(&self, task: TaskRef) {
        self.list().remove(task);
    }

    fn unhandled_panic(&self, _error: &JoinError) {}
}

fn run(task: TaskRef) {
    // SAFETY: the callers are the task's holder, and the futures are Send.
    assert!(matches!(unsafe { task.run() }, RunResult::Done));
}

/// Like at a runtime's end: it is over when the list is empty, and a task in the list still has a
/// future to be dropped.
#[test]
fn removing_a_refused_task_leaves_the_others_in_the_list() {
    for others in 0..4 {
        let scheduler = Scheduler::new();
        let dropped = Arc::new(());
        for _ in 0..others {
            scheduler.insert_idle(&dropped);
        }
        scheduler.list().close_and_abort_all();
        let rejected = scheduler.task(&dropped);
        assert!(!scheduler.list().insert(rejected), "the list is closed");
        // SAFETY: the holder of a new task is its spawner.
        unsafe { rejected.complete_with_error(JoinError::cancelled(rejected.id())) }
        assert_eq!(scheduler.list().is_empty(), others == 0);
        assert_eq!(Arc::strong_count(&dropped), 1 + others);
        scheduler.run_queue();
        assert!(scheduler.list().is_empty());
        assert_eq!(Arc::strong_count(&dropped), 1);
    }
}

/// Every order of leaving a list of four.
#[test]
fn closing_finds_whatever_is_left_in_whichever_order_others_left() {
    for order in 0..24_usize {
        for leaving in 0..=4 {
            let scheduler = Scheduler::new();
            let dropped = Arc::new(());
            let mut tasks: Vec<_> = (0..4).map(|_| scheduler.insert_idle(&dropped)).collect();
            let mut digits = order;
            for left in (5 - leaving..=4).rev() {
                let task = tasks.remove(digits % left);
                digits /= left;
                task.abort();
                scheduler.run_queue();
            }
            assert_eq!(scheduler.list().is_empty(), leaving == 4);
            assert_eq!(Arc::strong_count(&dropped), 1 + 4 - leaving);
            scheduler.list().close_and_abort_all();
            assert_eq!(scheduler.0.1.lock().len(), 4 - leaving);
            scheduler.run_queue();
            assert!(scheduler.list().is_empty());
            assert_eq!(Arc::strong_count(&dropped), 1);
        }
    }
}
