//! Tasks of every fate, their wakers and the LIFO slot.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use framewise::model::{ModelLifoSlot, ModelScheduler};
use framewise::{Frame, JoinHandle};
use framewise_loom_tests::{
    DropObserver, DropTracker, Listener, ListenerDrops, Notified, TestWaker, below, schedules,
};
use framewise_sync::{Arc, Mutex, thread};

use crate::{NOTIFIERS, Workers, bound_frame, join};

/// What is done with a task's handle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// A thread waits for the output.
    Joined,
    /// A thread waits, and another one aborts.
    JoinedAndAborted,
    /// The handle is dropped while the task may run.
    LetGo,
    /// There is no handle.
    Detached,
    /// It is not notified enough: only the abort ends it.
    OnlyAborted,
}

const FATES: [Fate; 5] = [
    Fate::Joined,
    Fate::JoinedAndAborted,
    Fate::LetGo,
    Fate::Detached,
    Fate::OnlyAborted,
];

struct Spawned {
    notified: Notified,
    watches: ListenerDrops,
    value: Option<DropObserver>,
    wakers: Vec<Waker>,
}

/// Ten tasks, two of each fate, one of them in a frame; three threads that notify and wake all of
/// them, by value and by reference; a thread for each joiner; one that aborts, one that drops
/// handles.
fn ten_tasks_of_five_fates() {
    let scheduler = ModelScheduler::with_list();
    let workers = Workers::start(&scheduler);
    let (mut spawned, mut joiners, mut aborts, mut let_go) = (vec![], vec![], vec![], vec![]);
    for fate in FATES.into_iter().chain(FATES) {
        let notified = Notified::default();
        let wanted = match fate {
            Fate::OnlyAborted => (1 << (NOTIFIERS + 1)) - 1,
            _ => (1 << NOTIFIERS) - 1,
        };
        let (listener, watches) = Listener::new(&notified, wanted);
        let (frame, value) = match spawned.len() < FATES.len() {
            true => (Frame::root(), None),
            false => {
                let (frame, value) = bound_frame();
                (frame, Some(value))
            }
        };
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let task = SharesItsWakers {
            wakers: (fate != Fate::Detached).then(|| wakers.clone()),
            listener,
        };
        match fate {
            Fate::Detached => {
                let runnable = scheduler.spawn_detached(task, frame);
                *wakers.lock() = (0..NOTIFIERS).map(|_| runnable.waker()).collect();
                runnable.put(&scheduler);
            }
            _ => {
                let handle = scheduler.spawn(task, frame);
                if matches!(fate, Fate::JoinedAndAborted | Fate::OnlyAborted) {
                    aborts.push(handle.abort_handle());
                }
                if fate == Fate::LetGo {
                    let_go.push(handle);
                } else {
                    joiners.push(thread::spawn(move || joined(handle, fate)));
                }
            }
        }
        // Its first poll stores wakers, if the spawner has none.
        while wakers.lock().is_empty() {
            thread::yield_now();
        }
        let wakers = std::mem::take(&mut *wakers.lock());
        spawned.push(Spawned {
            notified,
            watches,
            value,
            wakers,
        });
    }
    let notifiers: Vec<_> = (0..NOTIFIERS)
        .map(|notifier| {
            let mut tasks: Vec<_> = spawned
                .iter_mut()
                .map(|task| {
                    (
                        task.notified.clone(),
                        task.wakers.pop().expect("one for each notifier"),
                    )
                })
                .collect();
            thread::spawn(move || {
                while !tasks.is_empty() {
                    let (notified, waker) = tasks.swap_remove(below(tasks.len()));
                    notified.notify(1 << notifier);
                    if below(2) == 0 {
                        waker.wake_by_ref();
                        drop(waker);
                    } else {
                        waker.wake();
                    }
                }
            })
        })
        .collect();
    let aborter = thread::spawn(move || aborts.into_iter().for_each(|abort| abort.abort()));
    let dropper = thread::spawn(move || drop(let_go));
    join(notifiers);
    join([aborter, dropper]);
    join(joiners);
    workers.end();
    assert!(
        scheduler.is_empty(),
        "a task is in the list and in no queue"
    );
    for task in &spawned {
        task.watches.assert_dropped();
        assert!(task.value.as_ref().is_none_or(DropObserver::is_dropped));
    }
}

fn joined(mut handle: JoinHandle<DropTracker>, fate: Fate) {
    match TestWaker::new().block_on(&mut handle) {
        Ok(output) => {
            assert!(fate != Fate::OnlyAborted, "it was not notified enough");
            output.touch();
        }
        Err(error) => {
            assert!(
                error.is_cancelled() && fate != Fate::Joined,
                "it is not aborted"
            );
        }
    }
}

/// A listener that stores wakers of its task at its first poll.
struct SharesItsWakers {
    wakers: Option<Arc<Mutex<Vec<Waker>>>>,
    listener: Listener,
}

impl Future for SharesItsWakers {
    type Output = DropTracker;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<DropTracker> {
        if let Some(wakers) = self.wakers.take() {
            wakers
                .lock()
                .extend((0..NOTIFIERS).map(|_| cx.waker().clone()));
        }
        Pin::new(&mut self.listener).poll(cx)
    }
}

#[test]
fn tasks_are_woken_and_aborted_and_joined_and_let_go_of() {
    schedules("ten tasks of five fates", 400, ten_tasks_of_five_fates);
}

/// A LIFO slot between its owner, which replaces and takes, and four thieves: each task goes to one
/// of them.
#[test]
fn runnables_leave_the_lifo_slot_once() {
    const TASKS: usize = 8;
    schedules("LIFO slot: eight tasks × four thieves", 1500, || {
        let slot = ModelLifoSlot::new();
        let thieves: Vec<_> = (0..4)
            .map(|_| {
                let slot = slot.clone();
                thread::spawn(move || {
                    for _ in 0..4 {
                        if let Some(runnable) = slot.steal_marked() {
                            runnable.run_to_end();
                        }
                    }
                })
            })
            .collect();
        let scheduler = ModelScheduler::new();
        let mut ends = Vec::new();
        for _ in 0..TASKS {
            let (listener, watches) = Listener::new(&Notified::default(), 0);
            ends.push(watches);
            let runnable = scheduler.spawn_detached(listener, Frame::root());
            if let Some(displaced) = slot.replace(runnable) {
                displaced.run_to_end();
            }
            if below(3) == 0
                && let Some(runnable) = slot.take()
            {
                runnable.run_to_end();
            }
        }
        join(thieves);
        if let Some(runnable) = slot.take() {
            runnable.run_to_end();
        }
        ends.iter().for_each(ListenerDrops::assert_dropped);
    });
}
