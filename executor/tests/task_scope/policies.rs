//! What a body may wait for.

use std::sync::mpsc::channel;

use framewise::panics::{self, Handled};
use framewise::runtime::Builder;
use framewise::task::{self, AbortHandle, yield_now};
use framewise_test_support::{ID, Log, on_drop};

use super::{Live, on_all};

/// A child that ends after `previous`.
async fn after(previous: Option<AbortHandle>, number: usize) -> usize {
    while previous.as_ref().is_some_and(|task| !task.is_finished()) {
        yield_now().await;
    }
    number
}

#[test]
fn c106_results_come_in_the_order_of_spawning() {
    on_all(|runtime, _| {
        runtime.block_on(async {
            let results = task::scope(async |mut children| {
                children.spawn(async { 99 });
                assert_eq!(children.join_next().await.unwrap().ok(), Some(99));
                for number in 0..20 {
                    children.spawn(async move {
                        for _ in number..20 {
                            yield_now().await;
                        }
                        assert_ne!(number, 7, "expected");
                        number
                    });
                }
                children.results().await
            });
            let results: Vec<_> = results.await.into_iter().map(Result::ok).collect();
            let expected: Vec<_> = (0..20).map(|n| (n != 7).then_some(n)).collect();
            assert_eq!(results, expected);
        });
    });
}

#[test]
fn c106_results_come_in_the_order_of_the_ends() {
    // With one thread, the scope hears of the ends in their order.
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let results = task::scope(async |mut children| {
            let last = children.spawn(after(None, 0));
            let last = children.spawn(after(Some(last), 1));
            children.spawn(after(Some(last), 2));
            children.results_by_end().await
        });
        let results: Vec<_> = results.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, [0, 1, 2]);
        let results = task::scope(async |mut children| {
            let (go, waits) = futures::channel::oneshot::channel();
            let first = children.spawn(async { waits.await.unwrap() });
            children.spawn(after(Some(first), 1));
            children.spawn(async {
                go.send(0).unwrap();
                2
            });
            children.results_by_end().await
        });
        let results: Vec<_> = results.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, [2, 0, 1]);
    });
}

#[test]
fn c106_the_first_error_ends_the_rest_and_is_returned() {
    on_all(|runtime, _| {
        let live = Live::default();
        runtime.block_on(async {
            for panics in [false, true] {
                let failed = task::scope(async |mut children| {
                    for _ in 0..5 {
                        children.spawn(live.endless::<Result<u64, &str>>());
                        children.spawn(async { Ok(1) });
                    }
                    children.spawn(async move {
                        yield_now().await;
                        assert!(!panics, "expected");
                        Err("out of ink")
                    });
                    let failed = children.try_join_all().await;
                    assert!(live.count() == 0 && children.is_empty(), "it did not wait");
                    assert!(children.cancel_handle().is_cancelled());
                    failed
                });
                let error = failed.await.unwrap_err();
                assert_eq!(error.is_panic(), panics);
                if panics {
                    assert_eq!(error.to_string(), "the task panicked: expected");
                    assert!(error.returned().is_none() && error.into_returned().is_err());
                } else {
                    assert_eq!(error.to_string(), "out of ink");
                    assert!(error.join_error().is_none());
                    assert_eq!(error.returned(), Some(&"out of ink"));
                }
            }
        });
    });
}

#[test]
fn c106_all_successes_come_in_the_order_of_spawning() {
    on_all(|runtime, _| {
        runtime.block_on(async {
            let numbers = task::scope(async |mut children| {
                for number in 0..20 {
                    children.spawn(async move {
                        for _ in number..20 {
                            yield_now().await;
                        }
                        Ok::<_, std::fmt::Error>(number)
                    });
                }
                let numbers = children.try_join_all().await;
                assert!(!children.cancel_handle().is_cancelled());
                numbers
            });
            assert_eq!(numbers.await.unwrap(), (0..20).collect::<Vec<_>>());
        });
    });
}

#[test]
fn c106_the_first_success_ends_the_rest() {
    on_all(|runtime, _| {
        let live = Live::default();
        runtime.block_on(async {
            let fastest = task::scope(async |mut children| {
                for _ in 0..5 {
                    children.spawn(live.endless::<Result<u64, &str>>());
                    children.spawn(async { Err("no route") });
                }
                children.spawn(async {
                    yield_now().await;
                    Ok(7)
                });
                let fastest = children.select_ok().await;
                assert!(live.count() == 0 && children.is_empty(), "it did not wait");
                fastest
            });
            assert_eq!(fastest.await.unwrap(), 7);
            let none = task::scope(async |mut children| {
                children.spawn(async { Err::<(), _>("no route") });
                let aborted = children.spawn(live.endless());
                aborted.abort();
                children.select_ok().await
            });
            let mut errors: Vec<_> = none.await.unwrap_err();
            errors.sort_by_key(|error| error.returned().is_none());
            let [returned, aborted] = errors.try_into().unwrap();
            assert_eq!(returned.into_returned().unwrap(), "no route");
            assert!(aborted.join_error().unwrap().is_cancelled());
            let empty = task::scope(async |mut children: task::TaskScope<Result<(), ()>>| {
                assert!(children.try_join_all().await.unwrap().is_empty());
                children.select_ok().await
            });
            assert!(empty.await.unwrap_err().is_empty());
        });
    });
}

/// A child that is ended by a policy panics in its destructor: that is reported, in its frame.
#[test]
fn c106_a_panic_of_the_rest_is_reported() {
    on_all(|runtime, _| {
        let (sender, reports) = channel();
        let handler = panics::handle(move |error| {
            sender.send((ID.get(), error.to_string())).unwrap();
            Handled::Yes
        });
        let failed = runtime.block_on(handler.scope(task::scope(async |mut children| {
            let part = on_drop(|| panic!("expected"));
            let endless = async move {
                let _part = part;
                std::future::pending().await
            };
            ID.run(12, || children.spawn(endless));
            children.spawn(async { Err::<(), _>("out of ink") });
            children.try_join_all().await
        })));
        assert_eq!(failed.unwrap_err().into_returned().unwrap(), "out of ink");
        let report = (Some(12), "the task panicked: expected".to_owned());
        assert_eq!(reports.try_iter().collect::<Vec<_>>(), [report]);
    });
}

/// A callback of the cancel that panics: the rest is aborted and awaited nevertheless.
#[test]
fn c106_a_cancel_that_panics_is_passed_on_after_the_wait() {
    on_all(|runtime, _| {
        let live = Live::default();
        let watched = live.clone();
        let task = runtime.spawn(async move {
            task::scope(async |mut children| {
                let (registered, is_registered) = futures::channel::oneshot::channel();
                let endless = watched.endless();
                children.spawn(async {
                    let _callback = framewise::cancel::on_cancel(|| panic!("expected"));
                    registered.send(()).unwrap();
                    endless.await
                });
                children.spawn(async {
                    is_registered.await.unwrap();
                    Ok::<(), ()>(())
                });
                children.select_ok().await
            })
            .await
        });
        let error = runtime.block_on(task).unwrap_err();
        assert_eq!(live.count(), 0);
        assert_eq!(error.to_string(), "the task panicked: expected");
    });
}

#[test]
fn a_dropped_wait_for_the_next_child_loses_none() {
    on_all(|runtime, _| {
        runtime.block_on(async {
            let joined = task::scope(async |mut children| {
                let (go, waits) = futures::channel::oneshot::channel();
                children.spawn(async { waits.await.unwrap() });
                {
                    let mut wait = std::pin::pin!(children.join_next());
                    assert!(futures::poll!(wait.as_mut()).is_pending());
                }
                go.send(7).unwrap();
                children.join_next().await
            });
            assert_eq!(joined.await.unwrap().unwrap(), 7);
        });
    });
}

/// What the other waits lose: the outputs so far, and no child.
#[test]
fn a_dropped_wait_for_all_children_drops_the_outputs_so_far() {
    // With one thread, a child that has ended is in the set.
    let runtime = Builder::new_current_thread().build().unwrap();
    let log = Log::default();
    let live = Live::default();
    runtime.block_on(task::scope(async |mut children| {
        for policy in 0..4 {
            let output = log.tracker("output");
            let kept_by_policy = move || if policy == 3 { Err(output) } else { Ok(output) };
            let ended = children.spawn(async { kept_by_policy() });
            children.spawn(live.endless());
            while !ended.is_finished() {
                yield_now().await;
            }
            {
                let mut waits = std::pin::pin!(async {
                    match policy {
                        0 => drop(children.results().await),
                        1 => drop(children.results_by_end().await),
                        2 => drop(children.try_join_all().await),
                        _ => drop(children.select_ok().await),
                    }
                });
                assert!(futures::poll!(waits.as_mut()).is_pending());
                assert_eq!(log.entries().len(), policy);
            }
            assert_eq!(log.entries().len(), policy + 1);
            assert_eq!(
                (children.len(), live.count()),
                (1, 1),
                "the other child is left"
            );
            children.abort_all();
            assert!(children.join_next().await.unwrap().is_err());
        }
    }));
}
