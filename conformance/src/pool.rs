//! The suite for pools, which keep what one request made for the next one.
//!
//! The suite provides the connections and records what happens to them; the pool lends them.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use crate::executor::{BoxFuture, LocalBoxFuture};
use crate::runner::{Check, Suite};
use crate::start_frame::StartFrame;
use crate::support::{Gate, ID, block_on_thread, yield_times};

/// A pool under test.
pub trait Pool: Send + Sync + 'static {
    /// Waits for a connection (an idle one, or a new one from [`Connector::connect`]), calls `work`
    /// with it, and keeps the connection that `work` returns for the next request.
    fn request(&self, work: Work) -> BoxFuture<'static, ()>;

    /// Returns the maximum number of connections, if the pool limits them.
    fn connections_max(&self) -> Option<usize> {
        None
    }

    /// Runs `future` on this thread. To be overridden if the pool's own tasks need an executor.
    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        block_on_thread(future);
    }
}

/// What a request does with its connection; it returns the connection.
pub type Work = Box<dyn FnOnce(Connection) -> BoxFuture<'static, Connection> + Send>;

/// Makes connections. The suite passes it to the pool.
#[derive(Clone, Debug)]
pub struct Connector(Arc<Connects>);

#[derive(Debug)]
struct Connects {
    made: AtomicUsize,
    /// Closed while a check delays connecting.
    is_reachable: Mutex<Arc<Gate>>,
    drivers: Mutex<Vec<Option<u64>>>,
}

impl Connector {
    pub(crate) fn new() -> Self {
        let reachable = Gate::new();
        reachable.open();
        Self(Arc::new(Connects {
            made: AtomicUsize::new(0),
            is_reachable: Mutex::new(reachable),
            drivers: Mutex::default(),
        }))
    }

    /// Makes a connection and its driver, a future that the pool must spawn and that runs until the
    /// connection is dropped.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection is made.
    pub async fn connect(&self) -> (Connection, BoxFuture<'static, ()>) {
        let reachable = self.reachable();
        reachable.passed().await;
        // Ordering: Relaxed, a count.
        self.0.made.fetch_add(1, Ordering::Relaxed);
        let wire = Arc::new(Wire::default());
        let connects = Arc::clone(&self.0);
        let driver = drive(Arc::clone(&wire), connects);
        (Connection { wire }, Box::pin(driver))
    }

    /// Returns the number of connections that were made.
    pub(crate) fn made(&self) -> usize {
        // Ordering: Relaxed, a count.
        self.0.made.load(Ordering::Relaxed)
    }

    /// Returns the values of [`ID`] that the drivers saw, one per call that they answered.
    pub(crate) fn seen_by_drivers(&self) -> Vec<Option<u64>> {
        let drivers = self.0.drivers.lock();
        drivers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes later calls of [`connect`](Self::connect) wait for the gate.
    pub(crate) fn wait_for(&self, gate: &Arc<Gate>) {
        let mut reachable = self
            .0
            .is_reachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *reachable = Arc::clone(gate);
    }

    fn reachable(&self) -> Arc<Gate> {
        let reachable = self.0.is_reachable.lock();
        Arc::clone(&reachable.unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection without a peer: its driver answers calls on it.
#[derive(Debug)]
pub struct Connection {
    wire: Arc<Wire>,
}

/// The state that a connection and its driver share.
#[derive(Debug, Default)]
struct Wire {
    state: Mutex<WireState>,
}

#[derive(Debug, Default)]
struct WireState {
    is_closed: bool,
    called: usize,
    answered: usize,
    driver: Option<std::task::Waker>,
    caller: Option<std::task::Waker>,
}

impl Connection {
    /// Sends a call to the driver, and waits for its answer.
    pub async fn call(&mut self) {
        let called = {
            let mut state = self.wire.lock();
            state.called += 1;
            let driver = state.driver.take();
            let called = state.called;
            drop(state);
            if let Some(driver) = driver {
                driver.wake();
            }
            called
        };
        poll_fn(|cx| {
            let mut state = self.wire.lock();
            if state.answered >= called {
                return Poll::Ready(());
            }
            state.caller = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let driver = {
            let mut state = self.wire.lock();
            state.is_closed = true;
            state.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

impl Wire {
    fn lock(&self) -> std::sync::MutexGuard<'_, WireState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers calls until the connection is dropped.
async fn drive(wire: Arc<Wire>, connects: Arc<Connects>) {
    poll_fn(|cx| {
        let caller = {
            let mut state = wire.lock();
            if state.is_closed {
                return Poll::Ready(());
            }
            state.driver = Some(cx.waker().clone());
            if state.answered == state.called {
                return Poll::Pending;
            }
            state.answered = state.called;
            state.caller.take()
        };
        let drivers = connects.drivers.lock();
        drivers
            .unwrap_or_else(PoisonError::into_inner)
            .push(ID.get());
        if let Some(caller) = caller {
            caller.wake();
        }
        Poll::Pending
    })
    .await;
}

/// The pool under test, its connector, and the starting frame of a check.
pub(crate) struct PoolCheckContext {
    pub(crate) pool: Arc<dyn Pool>,
    pub(crate) connector: Connector,
    start: StartFrame,
}

impl PoolCheckContext {
    /// Returns the value of [`ID`] when the check starts.
    pub(crate) fn id(&self) -> Option<u64> {
        self.start.id()
    }

    /// Runs `future` in the executor that the pool needs.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut output = None;
        self.pool.block_on(Box::pin(async {
            output = Some(future.await);
        }));
        output.expect("block_on returned before its future was ready")
    }

    /// Makes a request that calls its connection; returns [`ID`] before and after the call.
    pub(crate) fn request(
        &self,
    ) -> impl Future<Output = (Option<u64>, Option<u64>)> + Send + use<> {
        let (sender, receiver) = futures::channel::oneshot::channel();
        let request = self.pool.request(Box::new(|mut connection| {
            Box::pin(async {
                let before = ID.get();
                connection.call().await;
                yield_times(1).await;
                // The check waits for it.
                let _ = sender.send((before, ID.get()));
                connection
            })
        }));
        async {
            request.await;
            receiver.await.expect("a pool calls the work of a request")
        }
    }
}

impl Suite {
    /// Makes the suite for a pool. `make` makes a new pool for each check, from a connector.
    pub fn pool<P: Pool>(
        subject: impl Into<String>,
        make: impl Fn(Connector) -> P + Send + Sync + 'static,
    ) -> Self {
        Self::new(subject.into(), checks(), move |start| {
            let connector = Connector::new();
            PoolCheckContext {
                pool: Arc::new(make(connector.clone())),
                connector,
                start,
            }
        })
    }
}

#[allow(clippy::vec_init_then_push, reason = "the list's macro pushes its own")]
fn checks() -> Vec<Check<PoolCheckContext>> {
    let mut checks = Vec::new();
    crate::__lending_checks!({ crate::__collect }(checks));
    checks
}

/// Makes an ordinary `#[test]` of each check of the suite for pools.
///
/// The argument makes the pool from a [`Connector`](crate::Connector), as a closure does.
#[macro_export]
macro_rules! pool_tests {
    ($make:expr) => {
        $crate::__lending_checks!({ $crate::__pool_chapter_tests }($make));
    };
}

/// Makes a module of tests from the checks for pools.
#[doc(hidden)]
#[macro_export]
macro_rules! __pool_chapter_tests {
    (($make:expr) $chapter:ident: $($name:ident)*) => {
        mod $chapter {
            #[allow(unused_imports, reason = "the expression may need none of them")]
            use super::*;
            $(
                #[test]
                fn $name() {
                    $crate::Suite::pool(stringify!($make), $make)
                        .only_check(stringify!($name))
                        .run_as_test();
                }
            )*
        }
    };
}
