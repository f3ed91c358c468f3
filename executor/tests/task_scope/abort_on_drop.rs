//! Handles whose drop aborts the task (C-108).

use std::future::pending;

use framewise::spawn;
use framewise::task::{AbortOnDropHandle, yield_now};
use framewise_test_support::{ID, Log};

use super::on_all;

#[test]
fn c108_a_dropped_handle_aborts_its_task_which_is_dropped_in_its_frame() {
    on_all(|runtime, _| {
        let log = Log::default();
        runtime.block_on(async {
            let future = log.tracker("future");
            let task = ID.run(90, || {
                spawn(async move {
                    let _future = future;
                    pending::<()>().await;
                })
            });
            let ended = task.abort_handle();
            let task = task.abort_on_drop();
            assert!(!task.is_finished() && task.id() == ended.id());
            ID.run(91, || drop(task));
            while !ended.is_finished() {
                yield_now().await;
            }
            assert_eq!(log.entries(), [("future", Some(90))]);
        });
    });
}

#[test]
fn c108_a_handle_joins_and_detaches() {
    on_all(|runtime, _| {
        runtime.block_on(async {
            let mut task = AbortOnDropHandle::new(spawn(async {
                yield_now().await;
                7
            }));
            {
                // A wait that is dropped loses nothing, and aborts nothing.
                let mut wait = std::pin::pin!(&mut task);
                let _ = futures::poll!(wait.as_mut());
            }
            if !task.is_finished() {
                assert_eq!(task.as_ref().id(), task.id());
            }
            assert_eq!(spawn(async { 6 }).abort_on_drop().await.unwrap(), 6);
            let (go, waits) = futures::channel::oneshot::channel();
            let detached = spawn(async { waits.await.unwrap() })
                .abort_on_drop()
                .detach();
            go.send(8).unwrap();
            assert_eq!(detached.await.unwrap(), 8);
            let aborted = spawn(pending::<()>()).abort_on_drop();
            aborted.abort();
            aborted.abort_handle().abort();
            assert!(aborted.await.unwrap_err().is_cancelled());
        });
    });
}
