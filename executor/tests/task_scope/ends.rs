//! When a scope ends, all of its children have.

use std::future::Future;
use std::panic::resume_unwind;
use std::thread;

use framewise::runtime::LocalOptions;
use framewise::task::{self, LocalSet, TaskScope, yield_now};
use framewise::{bind, cancel, spawn};
use framewise_test_support::{ID, KEPT, bound_here, in_frames, on_drop};
use futures::StreamExt;

use super::{Live, on_all};

/// Awaits the scope within a task, whose frame's line counts the live frames, and expects that
/// nothing is left of the children then.
#[track_caller]
fn leaves_nothing<R: 'static>(
    run: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + '_>>),
    live: &Live,
    scope: impl Future<Output = R>,
) {
    let (frame, site) = bound_here(bind(&KEPT, Default::default()));
    run(Box::pin(async {
        frame.clone().scope(scope).await;
        assert_eq!(live.count(), 0, "a child is left");
    }));
    drop(frame);
    site.assert_live(0);
}

#[test]
fn c103_a_scope_waits_for_the_children_that_its_body_leaves() {
    on_all(|runtime, _| {
        let live = Live::default();
        leaves_nothing(|test| runtime.block_on(test), &live, async {
            let left = task::scope(async |mut children| {
                for polls in 0..20 {
                    children.spawn(live.short(polls));
                    let counted = live.counted();
                    children.spawn_blocking(move || {
                        drop(counted);
                        0
                    });
                }
                children.join_next().await.unwrap().unwrap();
                children.len()
            });
            assert_eq!(left.await, 39);
        });
    });
}

#[test]
fn c103_a_scope_waits_for_children_that_are_aborted() {
    on_all(|runtime, _| {
        let live = Live::default();
        leaves_nothing(|test| runtime.block_on(test), &live, async {
            task::scope(async |mut children| {
                for _ in 0..20 {
                    children.spawn(live.endless::<()>());
                }
                yield_now().await;
                children.abort_all();
            })
            .await;
        });
    });
}

#[test]
fn c103_a_body_s_panic_is_passed_on_when_the_children_have_ended() {
    on_all(|runtime, _| {
        let live = Live::default();
        for in_call in [false, true] {
            let children_of = live.clone();
            let body = move |mut children: TaskScope<()>| {
                for _ in 0..20 {
                    children.spawn(children_of.endless());
                }
                if in_call {
                    ID.run(12, || panic!("expected"));
                }
                std::future::ready(())
            };
            let task = ID.run(9, || {
                runtime.spawn(async move {
                    if in_call {
                        task::scope(body).await;
                    } else {
                        task::scope(async move |children| {
                            body(children).await;
                            yield_now().await;
                            ID.run(12, || panic!("expected"));
                        })
                        .await;
                    }
                })
            });
            let error = runtime.block_on(task).unwrap_err();
            assert_eq!(live.count(), 0, "a child is left");
            // C-83: the frame of the panic itself.
            assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(12));
            assert_eq!(error.to_string(), "the task panicked: expected");
        }
    });
}

#[test]
fn c103_a_blocking_call_is_awaited_and_notices_the_cancel() {
    on_all(|runtime, _| {
        let live = Live::default();
        leaves_nothing(|test| runtime.block_on(test), &live, async {
            let failed = task::scope(async |mut children| {
                let counted = live.counted();
                let (begun, has_begun) = futures::channel::oneshot::channel();
                children.spawn_blocking(move || {
                    begun.send(()).unwrap();
                    while !cancel::is_cancelled() {
                        thread::yield_now();
                    }
                    drop(counted);
                    Ok(())
                });
                children.spawn(async {
                    has_begun.await.unwrap();
                    Err("out of ink")
                });
                let failed = children.try_join_all().await;
                assert_eq!(live.count(), 0, "the policy did not wait");
                failed
            });
            assert_eq!(
                failed.await.unwrap_err().into_returned().unwrap(),
                "out of ink"
            );
        });
    });
}

#[test]
fn c103_local_children_end_before_their_scope() {
    in_frames(|_| {
        let live = Live::default();
        let work = || async {
            task::scope(async |mut children| {
                for polls in 0..20 {
                    let (not_send, child) = (std::rc::Rc::new(()), live.short(polls));
                    children.spawn_local(async move {
                        let _not_send = not_send;
                        child.await;
                    });
                }
            })
            .await;
            let aborted = task::scope(async |mut children| {
                children.spawn_local(live.endless::<Result<(), ()>>());
                children.spawn_local(async { Ok(()) });
                children.select_ok().await
            });
            assert!(aborted.await.is_ok());
        };
        let set = LocalSet::new();
        let runtime = framewise_test_support::runtime(2);
        leaves_nothing(|test| set.block_on(&runtime, test), &live, work());
        let local = framewise::runtime::Builder::new_current_thread()
            .build_local(LocalOptions::default())
            .unwrap();
        leaves_nothing(|test| local.block_on(test), &live, work());
    });
}

/// Its panic is printed, like that of a task without a joiner, and is no reason to return before
/// the others have ended.
#[test]
fn c103_an_output_whose_destructor_panics_does_not_end_the_wait() {
    on_all(|runtime, _| {
        let live = Live::default();
        leaves_nothing(|test| runtime.block_on(test), &live, async {
            task::scope(async |mut children| {
                let bomb = || on_drop(|| resume_unwind(Box::new("expected")));
                children.spawn(async move { Some(bomb()) });
                for polls in 0..20 {
                    let child = live.short(polls);
                    children.spawn(async move {
                        child.await;
                        None
                    });
                }
            })
            .await;
        });
    });
}

/// Scopes in children, and children of children.
#[test]
fn c103_scopes_nest() {
    fn tree(depth: usize, live: Live) -> std::pin::Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            let _counted = live.counted();
            if depth == 0 {
                return 1;
            }
            task::scope(async |mut children| {
                for _ in 0..3 {
                    children.spawn(tree(depth - 1, live.clone()));
                }
                let sums = children.results().await;
                sums.into_iter().map(Result::unwrap).sum()
            })
            .await
        })
    }

    on_all(|runtime, _| {
        let live = Live::default();
        leaves_nothing(|test| runtime.block_on(test), &live, async {
            assert_eq!(spawn(tree(4, live.clone())).await.unwrap(), 81);
        });
    });
}

/// A body that lets its scope go: that is an error, and the children end where it is dropped.
#[test]
fn c103_a_body_must_not_let_its_scope_go() {
    on_all(|runtime, _| {
        let live = Live::default();
        let (sender, mut gone) = futures::channel::mpsc::unbounded();
        let watched = live.clone();
        let task = runtime.spawn(async move {
            task::scope(async move |mut children| {
                children.spawn(watched.endless::<()>());
                sender.unbounded_send(children).unwrap();
            })
            .await;
        });
        runtime.block_on(async {
            let error = task.await.unwrap_err();
            assert!(
                error.to_string().ends_with("must not leave its body"),
                "{error}"
            );
            let children: TaskScope<()> = gone.next().await.unwrap();
            assert_eq!((children.len(), live.count()), (1, 1));
            drop(children);
            while live.count() > 0 {
                yield_now().await;
            }
            // As its output: dropped by the panic.
            let watched = live.clone();
            let task = spawn(async move {
                task::scope(async move |mut children| {
                    children.spawn(watched.endless::<()>());
                    children
                })
                .await
                .len()
            });
            assert!(task.await.unwrap_err().is_panic());
            while live.count() > 0 {
                yield_now().await;
            }
            // Dropped early, it is given back.
            let watched = live.clone();
            task::scope(async move |mut children| {
                children.spawn(watched.short(10));
                drop(children);
            })
            .await;
            assert_eq!(live.count(), 0);
        });
    });
}
