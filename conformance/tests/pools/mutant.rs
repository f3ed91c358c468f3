//! The mutant pool: correct except for one fault, which is chosen when it is made.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use framewise::runtime::{Builder, Runtime};
use framewise_conformance::context::Frame;
use framewise_conformance::{BoxFuture, Connection, Connector, LocalBoxFuture, Pool, Work};
use futures::channel::oneshot;

/// The fault of a [`MutantPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The work of each request runs in one of the pool's tasks.
    WorksInATask,
    /// A connection remembers the frame in which it was made, and is used in it.
    WorksInTheMakersFrame,
    DriverInTheRequestsFrame,
    /// The request that returns a connection runs the work of the next waiter.
    WorksWhereTheConnectionCameBack,
    /// A waiter's frame stays in the list when the waiter was dropped.
    KeepsCancelledWaiters,
    /// Connecting is a task of its own, which inherits.
    ConnectsInTheRequestsFrame,
    /// The pool keeps each request's frame, for example for statistics.
    KeepsEachRequestsFrame,
}

const CONNECTIONS_MAX: usize = 2;

/// A pool with one [`Fault`].
pub(crate) struct MutantPool {
    shared: Arc<Shared>,
    runtime: Runtime,
}

struct Shared {
    fault: Fault,
    connector: Connector,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Pooled>,
    /// Lent, idle, or being made.
    connections: usize,
    waiters: VecDeque<Waiter>,
    frames: Vec<Frame>,
}

struct Pooled {
    connection: Connection,
    made_in: Frame,
    given_back_in: Frame,
}

struct Waiter {
    sender: oneshot::Sender<Pooled>,
    _frame: Option<Frame>,
}

/// One of the pool's connections, which is freed when a request is cancelled.
struct Place(Arc<Shared>, bool);

impl Drop for Place {
    fn drop(&mut self) {
        if self.1 {
            self.0.lock().connections -= 1;
        }
    }
}

impl MutantPool {
    pub(crate) fn new(connector: Connector, fault: Fault) -> Self {
        Self {
            shared: Arc::new(Shared {
                fault,
                connector,
                state: Mutex::default(),
            }),
            runtime: Builder::new().worker_threads(1).build().unwrap(),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn make(self: &Arc<Self>) -> Pooled {
        let (connection, driver) = self.connector.connect().await;
        match self.fault {
            Fault::DriverInTheRequestsFrame => drop(framewise::spawn(driver)),
            _ => drop(framewise::spawn_root(driver)),
        }
        let made_in = match self.fault {
            Fault::WorksInTheMakersFrame => Frame::current(),
            _ => Frame::root(),
        };
        Pooled {
            connection,
            made_in,
            given_back_in: Frame::root(),
        }
    }

    async fn take(self: &Arc<Self>) -> Pooled {
        let waits = {
            let mut state = self.lock();
            if let Some(idle) = state.idle.pop() {
                return idle;
            }
            if state.connections == CONNECTIONS_MAX {
                let (sender, receiver) = oneshot::channel();
                let keeps = self.fault == Fault::KeepsCancelledWaiters;
                state.waiters.push_back(Waiter {
                    sender,
                    _frame: keeps.then(Frame::current),
                });
                Some(receiver)
            } else {
                state.connections += 1;
                None
            }
        };
        if let Some(waits) = waits {
            return waits.await.expect("the pool outlives its requests");
        }
        let mut place = Place(Arc::clone(self), true);
        let made = if self.fault == Fault::ConnectsInTheRequestsFrame {
            let shared = Arc::clone(self);
            // Dropping the handle does not stop the task.
            let made = framewise::spawn(async move { shared.make().await });
            made.await.expect("connecting does not panic")
        } else {
            self.make().await
        };
        place.1 = false;
        made
    }

    fn give_back(&self, mut pooled: Pooled) {
        if self.fault == Fault::WorksWhereTheConnectionCameBack {
            pooled.given_back_in = Frame::current();
        }
        let mut state = self.lock();
        if self.fault == Fault::KeepsEachRequestsFrame {
            state.frames.push(Frame::current());
        }
        while let Some(waiter) = state.waiters.pop_front() {
            match waiter.sender.send(pooled) {
                Ok(()) => return,
                // The waiter was cancelled.
                Err(unwanted) => pooled = unwanted,
            }
        }
        state.idle.push(pooled);
    }

    async fn serve(self: Arc<Self>, work: Work) {
        let pooled = self.take().await;
        let mut place = Place(Arc::clone(&self), true);
        let frame = match self.fault {
            Fault::WorksInTheMakersFrame => pooled.made_in.clone(),
            Fault::WorksWhereTheConnectionCameBack if !pooled.given_back_in.is_root() => {
                pooled.given_back_in.clone()
            }
            _ => Frame::current(),
        };
        let connection = frame
            .clone()
            .scope(async { work(pooled.connection).await })
            .await;
        place.1 = false;
        self.give_back(Pooled {
            connection,
            made_in: pooled.made_in,
            given_back_in: Frame::root(),
        });
    }
}

impl Pool for MutantPool {
    fn request(&self, work: Work) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.shared);
        if shared.fault == Fault::WorksInATask {
            let handle = self.runtime.handle().clone();
            return Box::pin(async move {
                let served = handle.spawn_root(shared.serve(work));
                served.await.expect("the work does not panic");
            });
        }
        Box::pin(shared.serve(work))
    }

    fn connections_max(&self) -> Option<usize> {
        Some(CONNECTIONS_MAX)
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        self.runtime.block_on(future);
    }
}
