//! The suite for pools: on a sound pool, on deadpool, and on mutants.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mutant;

use deadpool::managed::{self, Manager, Metrics, RecycleResult};
use framewise::runtime::{Builder, Runtime};
use framewise_conformance::{
    BoxFuture, Connection, Connector, Item, ItemState, LocalBoxFuture, Pool, Suite, Work,
    pool_tests,
};
use mutant::{Fault, MutantPool};

mod sound {
    use super::*;
    pool_tests!(|connector| MutantPool::new(connector, Fault::None));
}

mod of_deadpool {
    use super::*;
    pool_tests!(Deadpool::new);
}

/// A pool as deadpool's users write it, on framewise.
struct Deadpool {
    pool: managed::Pool<Connects>,
    runtime: Runtime,
}

struct Connects(Connector);

impl Manager for Connects {
    /// Empty while a request has it.
    type Type = Option<Connection>;
    type Error = std::convert::Infallible;

    async fn create(&self) -> Result<Self::Type, Self::Error> {
        let (connection, driver) = self.0.connect().await;
        drop(framewise::spawn_root(driver));
        Ok(Some(connection))
    }

    async fn recycle(&self, _: &mut Self::Type, _: &Metrics) -> RecycleResult<Self::Error> {
        Ok(())
    }
}

impl Deadpool {
    fn new(connector: Connector) -> Self {
        Self {
            pool: managed::Pool::builder(Connects(connector))
                .max_size(2)
                .build()
                .unwrap(),
            runtime: Builder::new().worker_threads(1).build().unwrap(),
        }
    }
}

impl Pool for Deadpool {
    fn request(&self, work: Work) -> BoxFuture<'static, ()> {
        let pool = self.pool.clone();
        Box::pin(async move {
            let mut lent = pool.get().await.unwrap();
            let connection = lent.take().unwrap();
            *lent = Some(work(connection).await);
        })
    }

    fn connections_max(&self) -> Option<usize> {
        Some(2)
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        self.runtime.block_on(future);
    }
}

/// Each fault with the item that must be reported, and a part of the cause that the report must
/// have.
const FAULTS: &[(Fault, u8, &str)] = &[
    (Fault::WorksInATask, 56, "one of the pool's tasks"),
    (Fault::WorksInTheMakersFrame, 56, "made the connection"),
    (Fault::DriverInTheRequestsFrame, 57, "spawn it at the root"),
    (
        Fault::WorksWhereTheConnectionCameBack,
        58,
        "gave the connection back",
    ),
    (Fault::KeepsCancelledWaiters, 48, "list of waiters"),
    (Fault::ConnectsInTheRequestsFrame, 60, "connecting goes on"),
    (
        Fault::KeepsEachRequestsFrame,
        19,
        "keeps something of each request",
    ),
];

#[test]
fn each_fault_is_caught_by_the_item_that_it_breaks() {
    // In parallel, since checks of values that are never freed wait until the timeout.
    std::thread::scope(|scope| {
        for &(fault, number, cause) in FAULTS {
            scope.spawn(move || {
                let suite = Suite::pool(format!("{fault:?}"), move |connector| {
                    MutantPool::new(connector, fault)
                });
                let report = suite.only(&[number]).run();
                let caught = report.state(Item::new(number)) == ItemState::Failed;
                let explained = report
                    .failures()
                    .any(|(_, failure)| failure.cause.contains(cause));
                assert!(
                    caught && explained,
                    "{fault:?} is not noticed by C-{number} as {cause:?}: {report}"
                );
            });
        }
    });
}
