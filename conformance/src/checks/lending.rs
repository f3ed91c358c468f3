//! The checks for pools: C-19, C-48, C-56 to C-58, C-60.

use std::pin::pin;
use std::sync::Arc;

use futures::future::{Either, select};

use crate::check_context::not_applicable;
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::executor::BoxFuture;
use crate::pool::PoolCheckContext;
use crate::support::{DropTracker, Gate, ID, KEPT, eventually, yield_times};

/// The checks of this suite.
#[doc(hidden)]
#[macro_export]
macro_rules! __lending_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments lending:
            c19_what_a_request_binds_is_freed_with_it
            c48_a_cancelled_waiter_keeps_nothing
            c56_the_second_request_sees_itself
            c56_requests_side_by_side_see_themselves
            c57_the_driver_has_no_requests_frame
            c57_the_first_requests_values_are_freed
            c58_a_waiter_goes_on_in_its_own_frame
            c60_connecting_keeps_no_cancelled_requests_values
        }
    };
}

/// Requests one after the other, each under its own number.
pub(crate) fn c56_the_second_request_sees_itself(check: &PoolCheckContext) -> CheckResult {
    for (number, id) in [(10, Some(10)), (20, Some(20)), (30, Some(30))] {
        let seen = check.block_on(ID.scope(number, check.request()));
        expect(
            "ID in a request's work, before and after a call on the connection",
            (id, id),
            seen,
            &[
                (
                    (Some(10), Some(10)),
                    "the work runs in the frame of the request that made the connection: call it \
                     where the request is polled, or in a frame captured at the request",
                ),
                (
                    (None, None),
                    "the work runs in one of the pool's tasks: capture the frame at the request",
                ),
                (
                    (id, Some(10)),
                    "the connection wakes the work in the frame of the request that made it",
                ),
            ],
        )?;
    }
    let seen = check.block_on(check.request());
    expect(
        "ID in the work of a request without a binding of its own",
        (check.id(), check.id()),
        seen,
        &[(
            (Some(30), Some(30)),
            "the frame of the previous request was left behind",
        )],
    )
}

pub(crate) fn c56_requests_side_by_side_see_themselves(check: &PoolCheckContext) -> CheckResult {
    let seen = check.block_on(async {
        let requests = (0..8).map(|number| ID.scope(number, check.request()));
        futures::future::join_all(requests).await
    });
    for (number, seen) in (0..8).zip(seen) {
        expect(
            "ID in a request's work, with other requests beside it",
            (Some(number), Some(number)),
            seen,
            &[(
                (check.id(), check.id()),
                "the work runs in one of the pool's tasks",
            )],
        )?;
    }
    Ok(())
}

pub(crate) fn c57_the_driver_has_no_requests_frame(check: &PoolCheckContext) -> CheckResult {
    check.block_on(ID.scope(10, check.request()));
    check.block_on(ID.scope(20, check.request()));
    for seen in check.connector.seen_by_drivers() {
        expect(
            "ID in the driver of a pooled connection",
            None,
            seen,
            &[
                (
                    Some(10),
                    "the driver was spawned in the first request's frame: spawn it at the root",
                ),
                (
                    Some(20),
                    "the driver is polled by the request that waits: poll it in \
                     Frame::root().scope(..)",
                ),
                (
                    check.id(),
                    "the driver was spawned in the frame in which the pool was made: spawn it at \
                     the root",
                ),
            ],
        )?;
    }
    Ok(())
}

pub(crate) fn c57_the_first_requests_values_are_freed(check: &PoolCheckContext) -> CheckResult {
    let (token, tracker) = DropTracker::new();
    check.block_on(KEPT.scope(token, check.request()));
    let made = check.connector.made();
    let freed = check.block_on(eventually(|| tracker.is_dropped()));
    ensure(
        freed,
        "what the request that made a connection had bound is freed when that request ends",
        "it is still held",
        "the connection's driver, or the connection, was made in the request's frame and keeps it: \
         spawn the driver at the root, and keep no Frame::current() of a request in what is \
         pooled",
    )?;
    // The pool still has the connection: the values were not freed by closing it.
    check.block_on(check.request());
    if check.connector.made() != made {
        return not_applicable("the pool keeps no connection");
    }
    Ok(())
}

pub(crate) fn c19_what_a_request_binds_is_freed_with_it(check: &PoolCheckContext) -> CheckResult {
    check.block_on(check.request());
    for request in ["second", "third"] {
        let (token, tracker) = DropTracker::new();
        check.block_on(KEPT.scope(token, check.request()));
        ensure(
            check.block_on(eventually(|| tracker.is_dropped())),
            "what a request had bound is freed when it ends",
            &format!("the {request} request's is still held"),
            "the pool keeps something of each request: a waker, a closure, or a frame",
        )?;
    }
    Ok(())
}

/// A gate that keeps the only connection busy.
fn busy(check: &PoolCheckContext, gate: &Arc<Gate>) -> BoxFuture<'static, ()> {
    let passed = gate.passed();
    check.pool.request(Box::new(|connection| {
        Box::pin(async {
            passed.await;
            connection
        })
    }))
}

fn all_busy(
    check: &PoolCheckContext,
    gate: &Arc<Gate>,
) -> Result<Vec<BoxFuture<'static, ()>>, CheckError> {
    let Some(limit) = check.pool.connections_max() else {
        return not_applicable("the pool has no limit, so no request waits");
    };
    Ok((0..limit).map(|_| busy(check, gate)).collect())
}

pub(crate) fn c58_a_waiter_goes_on_in_its_own_frame(check: &PoolCheckContext) -> CheckResult {
    let gate = Gate::new();
    let holders = ID.run(10, || all_busy(check, &gate))?;
    let seen = check.block_on(async {
        let holders = ID.scope(10, futures::future::join_all(holders));
        let waiters = async {
            // The holders come first in the join, so they get the connections.
            yield_times(2).await;
            let waiters = [20, 21].map(|number| ID.scope(number, check.request()));
            let release = async {
                yield_times(4).await;
                ID.run(30, || gate.open());
            };
            futures::join!(futures::future::join_all(waiters), release).0
        };
        futures::join!(holders, waiters).1
    });
    for (number, seen) in [20, 21].into_iter().zip(seen) {
        expect(
            "ID in the work of a request that waited for a connection",
            (Some(number), Some(number)),
            seen,
            &[
                (
                    (Some(10), Some(10)),
                    "the work was run by the request that gave the connection back, in its frame",
                ),
                (
                    (Some(30), Some(30)),
                    "the work was run in the frame of the code that woke the pool",
                ),
            ],
        )?;
    }
    Ok(())
}

pub(crate) fn c48_a_cancelled_waiter_keeps_nothing(check: &PoolCheckContext) -> CheckResult {
    let gate = Gate::new();
    let holders = all_busy(check, &gate)?;
    check.block_on(async {
        let holders = futures::future::join_all(holders);
        let cancelled = async {
            yield_times(2).await;
            let (token, tracker) = DropTracker::new();
            {
                let waiter = pin!(KEPT.scope(token, check.request()));
                let limit = pin!(yield_times(4));
                if let Either::Left(_) = select(waiter, limit).await {
                    gate.open();
                    return not_applicable(
                        "a request did not wait, though all connections are busy",
                    );
                }
            }
            let freed = eventually(|| tracker.is_dropped()).await;
            gate.open();
            ensure(
                freed,
                "what a request had bound is freed when it is cancelled while it waits",
                "it is still held",
                "the pool's list of waiters keeps a frame: keep plain wakers, and remove them when \
                 the waiter is dropped",
            )
        };
        futures::join!(holders, cancelled).1
    })
}

pub(crate) fn c60_connecting_keeps_no_cancelled_requests_values(
    check: &PoolCheckContext,
) -> CheckResult {
    let reachable = Gate::new();
    check.connector.wait_for(&reachable);
    let (token, tracker) = DropTracker::new();
    check.block_on(async {
        {
            let first = pin!(KEPT.scope(token, check.request()));
            let limit = pin!(yield_times(8));
            let over = matches!(select(first, limit).await, Either::Left(_));
            ensure(
                !over,
                "a request waits for its connection",
                "it does not",
                "",
            )?;
        }
        // The first request is cancelled. If the pool goes on connecting, no request owns that.
        let second = ID.scope(20, check.request());
        let open = async {
            let freed = eventually(|| tracker.is_dropped()).await;
            reachable.open();
            freed
        };
        let (seen, freed) = futures::join!(second, open);
        ensure(
            freed,
            "what a request had bound is freed when it is cancelled while it connects",
            "it is still held",
            "connecting goes on in the frame of the request that began it: run it at the root",
        )?;
        expect(
            "ID in the work of the request that comes to the connection",
            (Some(20), Some(20)),
            seen,
            &[],
        )
    })
}
