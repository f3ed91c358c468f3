//! Scopes whose future is dropped.

use std::sync::mpsc::channel;

use framewise::runtime::Builder;
use framewise::task::{self, yield_now};
use framewise::{bind, cancel, spawn};
use framewise_test_support::{ID, KEPT, Log, bound_here, with_workers};

use super::on_all;

#[test]
fn c107_children_of_a_dropped_scope_are_dropped_in_their_frames() {
    on_all(|runtime, _| {
        let log = Log::default();
        let (frame, site) = bound_here(bind(&KEPT, Default::default()));
        let (started, starts) = channel();
        let scope = task::scope(async |mut children| {
            for id in 90..95 {
                let (future, started) = (log.tracker("child"), started.clone());
                let endless = async move {
                    let _future = future;
                    started.send(()).unwrap();
                    std::future::pending::<()>().await;
                };
                ID.run(id, || children.spawn(endless));
            }
            // Never polled: dropped in its frame, too.
            std::future::pending::<()>().await;
        });
        runtime.block_on(async {
            let mut scope = Box::pin(frame.clone().scope(scope));
            assert!(futures::poll!(scope.as_mut()).is_pending());
            for _ in 0..5 {
                while starts.try_recv().is_err() {
                    yield_now().await;
                }
            }
            ID.run(21, || drop(scope));
            while log.entries().len() < 5 {
                yield_now().await;
            }
            let mut dropped = log.entries();
            dropped.sort_unstable();
            assert_eq!(
                dropped,
                (90..95).map(|id| ("child", Some(id))).collect::<Vec<_>>()
            );
            drop(frame);
            while site.live().is_some_and(|live| live > 0) {
                yield_now().await;
            }
        });
    });
}

#[test]
fn c107_a_dropped_scope_cancels_what_its_children_have_started() {
    on_all(|runtime, _| {
        runtime.block_on(async {
            let (sender, mut handed_on) = futures::channel::mpsc::unbounded();
            let mut scope = Box::pin(task::scope(async |mut children| {
                let sender = sender.clone();
                children.spawn(async move {
                    sender.unbounded_send(spawn(cancel::cancelled())).unwrap();
                    std::future::pending::<()>().await;
                });
                std::future::pending::<()>().await;
            }));
            assert!(futures::poll!(scope.as_mut()).is_pending());
            let grandchild = futures::StreamExt::next(&mut handed_on).await.unwrap();
            drop(scope);
            let ended = grandchild.await.unwrap();
            assert!(!ended.is_deadline());
        });
    });
}

/// The runtime ends while a task waits for its scope: children are dropped in their frames.
#[test]
fn c107_a_runtime_s_end_drops_scopes_and_children() {
    with_workers(|workers| {
        let log = Log::default();
        let runtime = Builder::new().worker_threads(workers).build().unwrap();
        let (started, starts) = channel();
        let (body, child) = (log.tracker("body"), log.tracker("child"));
        let waiting = task::scope(async move |mut children| {
            let _body = body;
            ID.run(90, || {
                children.spawn(async move {
                    let _child = child;
                    started.send(()).unwrap();
                    std::future::pending::<()>().await;
                })
            });
            children.results().await.len()
        });
        drop(ID.run(9, || runtime.spawn(waiting)));
        starts.recv().unwrap();
        drop(runtime);
        let mut dropped = log.entries();
        dropped.sort_unstable();
        assert_eq!(dropped, [("body", Some(9)), ("child", Some(90))]);
    });
}

/// A scope that was never polled has done nothing.
#[test]
fn a_scope_is_lazy() {
    let log = Log::default();
    let part = log.tracker("body");
    drop(task::scope(
        async move |mut children: task::TaskScope<()>| {
            let _part = &part;
            children.spawn(async {});
        },
    ));
    assert_eq!(log.entries(), [("body", None)]);
}
