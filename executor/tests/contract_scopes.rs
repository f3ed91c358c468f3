//! Contract, "Composition" and "Values", C-66 to C-81, on an executor. (The context crate tests all
//! of them without an executor.)
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use framewise::runtime::Handle;
use framewise::task::yield_now;
use framewise::time::sleep;
use framewise::{ContextVar, Frame, bind, spawn, spawn_blocking};
use futures::channel::oneshot;
use futures::future::{self, Either, FutureExt};
use futures::stream::{self, FuturesUnordered, StreamExt};
use support::{DropCall, ID, KEPT, Log, bound_here, everywhere, on_drop};

static OTHER: ContextVar<u64> = ContextVar::new("other");
static CALL: ContextVar<DropCall> = ContextVar::new("call");

#[test]
fn c66_a_plain_future_made_under_one_frame_and_awaited_under_another_sees_the_other() {
    everywhere(|runtime, id| {
        let lazy = ID.run(10, || async {
            yield_now().await;
            ID.get()
        });
        let task = runtime.spawn(ID.scope(11, async move {
            yield_now().await;
            lazy.await
        }));
        assert_eq!(runtime.block_on(task).unwrap(), Some(11));
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c67_nested_scopes_see_both_across_awaits() {
    everywhere(|runtime, id| {
        let both = || async {
            for _ in 0..5 {
                yield_now().await;
                assert_eq!((ID.get(), OTHER.get()), (Some(1), Some(2)));
            }
            spawn(async { (ID.get(), OTHER.get()) }).await.unwrap()
        };
        let one = runtime.spawn(ID.scope(1, OTHER.scope(2, both())));
        let two = runtime.spawn(OTHER.scope(2, ID.scope(1, both())));
        let bound = runtime.spawn(bind(&ID, 1).and(&OTHER, 2).scope(both()));
        runtime.block_on(async {
            for task in [one, two, bound] {
                assert_eq!(task.await.unwrap(), (Some(1), Some(2)));
            }
        });
        assert_eq!((ID.get(), OTHER.get()), (id, None));
    });
}

/// Yields and sleeps, and checks that it always sees `number`.
async fn busy(number: Option<u64>) -> Option<u64> {
    for round in 0..6 {
        assert_eq!(ID.get(), number);
        if round % 3 == 2 {
            sleep(Duration::from_millis(1)).await;
        } else {
            yield_now().await;
        }
        assert_eq!(ID.get(), number);
    }
    number
}

#[test]
fn c68_scoped_branches_of_join_and_select_never_bleed_into_each_other() {
    everywhere(|runtime, id| {
        let task = runtime.spawn(async move {
            let seen = futures::join!(
                ID.scope(1, busy(Some(1))),
                ID.scope(2, busy(Some(2))),
                busy(id),
            );
            assert_eq!(seen, (Some(1), Some(2), id));
            let (one, two) = (ID.scope(3, busy(Some(3))).fuse(), busy(id).fuse());
            futures::pin_mut!(one, two);
            for _ in 0..2 {
                futures::select! {
                    seen = one => assert_eq!(seen, Some(3)),
                    seen = two => assert_eq!(seen, id),
                }
                assert_eq!(ID.get(), id);
            }
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn c69_the_loser_of_a_select_is_dropped_in_its_scope() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let (scoped, plain) = (log.tracker("scoped"), log.tracker("plain"));
        let task = runtime.spawn(async move {
            let loser = ID.scope(10, async move {
                let _scoped = scoped;
                std::future::pending::<()>().await;
            });
            let plain_loser = async move {
                let _plain = plain;
                std::future::pending::<()>().await;
            };
            let winner = ID.scope(11, yield_now());
            let losers = future::join(Box::pin(loser), Box::pin(plain_loser));
            match future::select(Box::pin(winner), losers).await {
                Either::Left(((), losers)) => drop(losers),
                Either::Right(_) => unreachable!("the losers never end"),
            }
        });
        runtime.block_on(task).unwrap();
        assert_eq!(log.entries(), [("scoped", Some(10)), ("plain", id)]);
    });
}

#[test]
fn c70_a_scope_an_item_in_futures_unordered_and_buffer_unordered() {
    everywhere(|runtime, id| {
        let task = runtime.spawn(async move {
            let mut unordered: FuturesUnordered<_> = (0..20)
                .map(|number| ID.scope(number, busy(Some(number))))
                .collect();
            let mut seen = Vec::new();
            while let Some(number) = unordered.next().await {
                assert_eq!(ID.get(), id);
                seen.extend(number);
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..20).collect::<Vec<_>>());

            // Items that are separate tasks, and items that are not.
            let seen: Vec<_> = stream::iter(0..20)
                .map(|number| {
                    let work = move || busy(Some(number));
                    if number % 2 == 0 {
                        ID.run(number, || spawn(work()))
                            .map(Result::unwrap)
                            .left_future()
                    } else {
                        ID.scope(number, work()).right_future()
                    }
                })
                .buffer_unordered(4)
                .inspect(|_| assert_eq!(ID.get(), id))
                .collect()
                .await;
            assert_eq!(seen.len(), 20);
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn c71_a_started_scope_moved_into_another_task_keeps_its_variable_and_follows_in_the_others() {
    everywhere(|runtime, id| {
        let (release, released) = oneshot::channel::<()>();
        let mut scope = Box::pin(ID.scope(1, async {
            let before = (ID.get(), OTHER.get());
            released.await.unwrap();
            (before, (ID.get(), OTHER.get()))
        }));
        // Started here, in another frame than the one in which it ends.
        OTHER.run(10, || {
            runtime.block_on(async {
                assert!(future::poll_immediate(&mut scope).await.is_none());
            });
        });
        let task = OTHER.run(20, || runtime.spawn(scope));
        release.send(()).unwrap();
        let (before, after) = runtime.block_on(task).unwrap();
        assert_eq!((before, after), ((Some(1), Some(10)), (Some(1), Some(20))));
        assert_eq!((ID.get(), OTHER.get()), (id, None));
    });
}

#[test]
fn c72_a_scoped_stream_has_its_scope_in_poll_next_and_in_drop_and_the_consumer_its_own() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let tracker = log.tracker("stream");
        let task = runtime.spawn(async move {
            let items = ID.scope_stream(
                10,
                stream::unfold((0, tracker), |(number, tracker)| async move {
                    yield_now().await;
                    Some((ID.get(), (number + 1, tracker)))
                }),
            );
            let mut items = Box::pin(items);
            for _ in 0..5 {
                assert_eq!(items.next().await, Some(Some(10)));
                assert_eq!(ID.get(), id);
            }
            // The same in another task.
            ID.run(11, || {
                spawn(async move {
                    assert_eq!(items.next().await, Some(Some(10)));
                    assert_eq!(ID.get(), Some(11));
                })
            })
            .await
            .unwrap();
        });
        runtime.block_on(task).unwrap();
        assert_eq!(log.entries(), [("stream", Some(10))]);
    });
}

#[test]
fn c73_a_shared_future_sees_its_pollers_frame_unless_it_is_wrapped() {
    everywhere(|runtime, _| {
        let (release, released) = oneshot::channel::<()>();
        let polled_by: Arc<Mutex<Vec<Option<u64>>>> = Arc::default();
        let shared = {
            let polled_by = Arc::clone(&polled_by);
            let mut released = released;
            future::poll_fn(move |cx| {
                polled_by.lock().unwrap().push(ID.get());
                released.poll_unpin(cx).map(|_| ID.get())
            })
            .shared()
        };
        let wrapped = ID.scope(9, async { ID.get() }).shared();
        let tasks: Vec<_> = (1..4)
            .map(|number| {
                let (shared, wrapped) = (shared.clone(), wrapped.clone());
                ID.run(number, || {
                    runtime.spawn(async move {
                        assert_eq!(wrapped.await, Some(9));
                        let ready_for = shared.await;
                        assert_eq!(ID.get(), Some(number));
                        ready_for
                    })
                })
            })
            .collect();
        while polled_by.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        release.send(()).unwrap();
        let ready_for = runtime.block_on(future::join_all(tasks));
        let first = *ready_for[0].as_ref().unwrap();
        assert!(matches!(first, Some(1..4)), "{first:?}");
        for (ready, number) in ready_for.into_iter().zip(1..) {
            assert_eq!(ready.unwrap(), first, "task {number}");
        }
        assert!(
            polled_by
                .lock()
                .unwrap()
                .iter()
                .all(|id| matches!(id, Some(1..4)))
        );
    });
}

#[test]
fn c74_pending_ready_and_panic_restore_in_a_task_that_lives_on() {
    everywhere(|runtime, id| {
        let task = runtime.spawn(async move {
            ID.scope(10, yield_now()).await;
            assert_eq!(ID.get(), id);
            let panics = std::panic::AssertUnwindSafe(ID.scope(11, async {
                yield_now().await;
                ID.run(12, || panic!("expected"))
            }))
            .catch_unwind();
            assert!(panics.await.is_err());
            assert_eq!(ID.get(), id);
            let mut pending = Box::pin(ID.scope(13, std::future::pending::<()>()));
            assert!(future::poll_immediate(&mut pending).await.is_none());
            assert_eq!(ID.get(), id);
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn c75_a_scope_dropped_without_being_polled_is_dropped_in_its_scope() {
    everywhere(|runtime, id| {
        let log = Log::default();
        let (unpolled, outer) = (log.tracker("unpolled"), log.tracker("outer"));
        let task = runtime.spawn(async move {
            let _outer = outer;
            drop(ID.scope(10, async move { drop(unpolled) }));
        });
        runtime.block_on(task).unwrap();
        assert_eq!(log.entries(), [("unpolled", Some(10)), ("outer", id)]);
    });
}

#[test]
fn c76_get_run_and_spawn_are_legal_in_a_values_drop() {
    everywhere(|runtime, _| {
        for place in 0..4 {
            let (sender, receiver) = mpsc::channel();
            let sender = Mutex::new(sender);
            let handle = runtime.handle().clone();
            let value = on_drop(move || {
                let sender = sender.lock().unwrap().clone();
                let seen = (ID.get(), CALL.is_bound(), ID.run(50, || ID.get()));
                // Spawn with the handle, and on the thread's current runtime, if it has one.
                let ambient = Handle::try_current().map(|_| {
                    let sender = sender.clone();
                    spawn(async move { sender.send(("ambient", ID.get())).unwrap() })
                });
                drop(ambient);
                assert_eq!((seen.1, seen.2), (false, Some(50)));
                drop(handle.spawn(async move {
                    sender.send(("handle", ID.get())).unwrap();
                }));
            });
            // Never in the frame that is being released, which binds ID to 1.
            let frame = bind(&CALL, value).and(&ID, 1).frame();
            let expected = match place {
                0 => {
                    // Dropped with the task's frame, on its worker.
                    let (release, released) = oneshot::channel::<()>();
                    let task = frame.run(|| runtime.spawn(released));
                    drop(frame);
                    release.send(()).unwrap();
                    runtime.block_on(task).unwrap().unwrap();
                    None
                }
                1 => {
                    // Dropped by a task in another frame.
                    let task = ID.run(2, || runtime.spawn(async move { drop(frame) }));
                    runtime.block_on(task).unwrap();
                    Some(2)
                }
                2 => {
                    // Dropped on the blocking pool.
                    let call = ID.run(3, || runtime.spawn_blocking(move || drop(frame)));
                    runtime.block_on(call).unwrap();
                    Some(3)
                }
                _ => {
                    // Dropped outside the runtime.
                    ID.run(4, || drop(frame));
                    Some(4)
                }
            };
            let mut seen = vec![receiver.recv().unwrap()];
            seen.extend(receiver.recv());
            seen.sort_unstable();
            assert!(
                seen.iter().all(|(_, id)| *id == expected),
                "place {place}: {seen:?}"
            );
            assert_eq!(seen.last().unwrap().0, "handle");
            if place < 3 {
                assert_eq!(seen[0].0, "ambient");
            }
        }
    });
}

#[test]
fn c77_a_value_whose_drop_panics_at_a_tasks_end_leaves_the_others_dropped_once() {
    static FIRST: ContextVar<Arc<()>> = ContextVar::new("first");
    static LAST: ContextVar<Arc<()>> = ContextVar::new("last");
    everywhere(|runtime, _| {
        let (first, last) = (Arc::new(()), Arc::new(()));
        let (release, released) = oneshot::channel::<()>();
        let task = bind(&FIRST, Arc::clone(&first))
            .and(&CALL, on_drop(|| panic!("expected: a value's destructor")))
            .and(&LAST, Arc::clone(&last))
            .run(|| runtime.spawn(async { released.await.map(|()| 7) }));
        // Only the task holds the frame now.
        release.send(()).unwrap();
        assert_eq!(runtime.block_on(task).unwrap(), Ok(7));
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&last)),
            (1, 1)
        );
    });
}

#[test]
fn c78_a_shadowed_value_is_freed_when_its_own_task_ends_though_rebound_children_live_on() {
    everywhere(|runtime, _| {
        let (shadowed, rebound) = (Arc::new(()), Arc::new(()));
        let (release, released) = oneshot::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        let (frame, parents) = bound_here(bind(&KEPT, Arc::clone(&shadowed)));
        let parent = frame.run(|| {
            let rebound = Arc::clone(&rebound);
            runtime.spawn(async move {
                let (frame, childs) = bound_here(bind(&KEPT, rebound));
                let child = frame.run(|| {
                    spawn(async move {
                        released.await.unwrap();
                        KEPT.with(|kept| Arc::strong_count(kept.unwrap()))
                    })
                });
                drop(frame);
                sender.send((child, childs)).unwrap();
            })
        });
        drop(frame);
        runtime.block_on(parent).unwrap();
        let (child, childs) = receiver.recv().unwrap();
        parents.assert_live(0);
        childs.assert_live(1);
        assert_eq!(Arc::strong_count(&shadowed), 1, "the child lives on");
        assert_eq!(Arc::strong_count(&rebound), 2);
        release.send(()).unwrap();
        assert_eq!(runtime.block_on(child).unwrap(), 2);
        assert_eq!(Arc::strong_count(&rebound), 1);
        childs.assert_live(0);
    });
}

#[test]
fn c80_a_value_that_holds_its_own_tasks_frame_leaks_and_the_statistics_name_it() {
    static OWN: ContextVar<Arc<Mutex<Option<Frame>>>> = ContextVar::new("own");
    everywhere(|runtime, _| {
        let kept = Arc::new(());
        let slot = Arc::new(Mutex::new(None));
        let bindings = bind(&OWN, Arc::clone(&slot)).and(&KEPT, Arc::clone(&kept));
        let (frame, site) = bound_here(bindings);
        let task = frame.run(|| {
            runtime.spawn(async {
                OWN.with(|slot| *slot.unwrap().lock().unwrap() = Some(Frame::current()));
            })
        });
        drop(frame);
        runtime.block_on(task).unwrap();
        assert_eq!(
            Arc::strong_count(&kept),
            2,
            "a cycle is not broken behind its owner's back"
        );
        let named = format!("1 live frame, bound at {}:{}:", site.file, site.line);
        let stats = || framewise::context::frame_stats().map(|stats| stats.to_string());
        if let Some(shown) = stats() {
            assert!(shown.contains(&named), "{named} is not in {shown}");
        }
        // The code that made the cycle can break it.
        drop(slot.lock().unwrap().take());
        assert_eq!(Arc::strong_count(&kept), 1);
        site.assert_live(0);
        if let Some(shown) = stats() {
            assert!(!shown.contains(&named), "{named} is in {shown}");
        }
    });
}

#[test]
fn c71_a_scope_follows_its_task_over_the_blocking_pool_and_back() {
    everywhere(|runtime, id| {
        let task = runtime.spawn(ID.scope(10, async {
            let call = spawn_blocking(|| (ID.get(), ID.run(11, || ID.get())));
            (call.await.unwrap(), ID.get())
        }));
        assert_eq!(
            runtime.block_on(task).unwrap(),
            ((Some(10), Some(11)), Some(10))
        );
        assert_eq!(ID.get(), id);
    });
}
