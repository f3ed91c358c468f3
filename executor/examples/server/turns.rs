//! Things that are lent out to one task at a time, first come, first served.
//!
//! A channel of the things would do, but with it a newcomer can overtake the waiting tasks, and
//! under load some would wait forever. Here a task that returns a thing hands it to the task that
//! has waited longest. A waiting task wakes in its own frame.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::oneshot;

/// The things, and the tasks that wait for one.
pub(crate) struct Turns<T>(Arc<Mutex<Queue<T>>>);

struct Queue<T> {
    // Empty while a task waits.
    idle: Vec<T>,
    waiting: VecDeque<oneshot::Sender<Turn<T>>>,
}

/// A thing, for as long as this is held.
pub(crate) struct Turn<T> {
    // `None` only within `drop`.
    thing: Option<T>,
    queue: Arc<Mutex<Queue<T>>>,
}

impl<T> Turns<T> {
    pub(crate) fn new(things: impl IntoIterator<Item = T>) -> Turns<T> {
        let queue = Queue {
            idle: things.into_iter().collect(),
            waiting: VecDeque::new(),
        };
        Turns(Arc::new(Mutex::new(queue)))
    }

    /// Waits for a turn.
    ///
    /// # Cancel safety
    /// A task that stops waiting loses its place in the queue, and nothing else.
    pub(crate) async fn take(&self) -> Turn<T> {
        loop {
            let waiting = {
                let mut queue = lock(&self.0);
                if let Some(thing) = queue.idle.pop() {
                    return Turn {
                        thing: Some(thing),
                        queue: self.0.clone(),
                    };
                }
                let (sender, receiver) = oneshot::channel();
                queue.waiting.push_back(sender);
                receiver
            };
            // The sender stays in the queue until it is used, so this does not fail.
            if let Ok(turn) = waiting.await {
                return turn;
            }
        }
    }
}

impl<T> Turn<T> {
    /// Returns the thing; always `Some`.
    pub(crate) fn thing(&mut self) -> Option<&mut T> {
        self.thing.as_mut()
    }
}

impl<T> Drop for Turn<T> {
    fn drop(&mut self) {
        let Some(thing) = self.thing.take() else {
            return;
        };
        let mut turn = Turn {
            thing: Some(thing),
            queue: self.queue.clone(),
        };
        loop {
            let waiting = {
                let mut queue = lock(&self.queue);
                match queue.waiting.pop_front() {
                    Some(waiting) => waiting,
                    None => return queue.idle.extend(turn.thing.take()),
                }
            };
            // Not under the lock, since it wakes a task. A task that no longer waits gives the turn
            // back, and the next one gets it. A task that stops waiting right now drops the turn,
            // which comes here as well.
            match waiting.send(turn) {
                Ok(()) => return,
                Err(unwanted) => turn = unwanted,
            }
        }
    }
}

fn lock<T>(queue: &Mutex<Queue<T>>) -> MutexGuard<'_, Queue<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::pin::pin;

    #[test]
    fn the_task_that_waited_longest_is_next_and_newcomers_do_not_overtake() {
        let turns = Turns::new([7]);
        let held = turns.take().now_or_never().expect("it is idle");
        let mut one = pin!(turns.take());
        let mut two = pin!(turns.take());
        assert!(one.as_mut().now_or_never().is_none() && two.as_mut().now_or_never().is_none());
        drop(held);
        assert!(
            turns.take().now_or_never().is_none(),
            "a newcomer overtakes"
        );
        assert!(
            two.as_mut().now_or_never().is_none(),
            "the second overtakes the first"
        );
        let mut held = one.now_or_never().expect("the first one's turn");
        assert_eq!(held.thing(), Some(&mut 7));
        drop(held);
        assert!(two.now_or_never().is_some());
    }

    #[test]
    fn a_task_that_gives_up_waiting_loses_nothing_for_the_others() {
        let turns = Turns::new([7]);
        let held = turns.take().now_or_never().expect("it is idle");
        let mut three = Box::pin(turns.take());
        {
            // One gives up before its turn comes, one when it has come and is not seen yet.
            let mut one = pin!(turns.take());
            assert!(one.as_mut().now_or_never().is_none());
            let mut two = Box::pin(turns.take());
            assert!(two.as_mut().now_or_never().is_none());
            assert!(three.as_mut().now_or_never().is_none());
            drop(two);
            drop(held);
            assert!(three.as_mut().now_or_never().is_none());
        }
        assert!(three.now_or_never().is_some());
        assert!(turns.take().now_or_never().is_some(), "it is idle again");
    }
}
