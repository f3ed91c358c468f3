//! The frames of members, joiners and outputs.

use std::future::pending;
use std::sync::mpsc;
use std::thread;

use framewise::context::bind;
use framewise::task::{AbortHandle, JoinSet, LocalSet, yield_now};
use framewise_test_support::{ID, KEPT, Log, bound_here, everywhere};
use futures::channel::oneshot;

fn wait_until_finished(task: &AbortHandle) {
    while !task.is_finished() {
        thread::yield_now();
    }
}

#[test]
fn c25_c26_c61_members_have_the_frame_of_their_spawn() {
    everywhere(|runtime, id| {
        let local_set = LocalSet::new();
        let mut set = JoinSet::new();
        let outer = {
            let _entered = runtime.enter();
            set.spawn(async { (0, ID.get()) });
            ID.run(91, || {
                set.spawn(async { (91, ID.get()) });
                set.spawn_blocking(|| (91, ID.get()));
            });
            ID.run(92, || {
                set.spawn_on(
                    async {
                        yield_now().await;
                        (92, ID.get())
                    },
                    runtime.handle(),
                );
                set.spawn_blocking_on(|| (92, ID.get()), runtime.handle());
            });
            ID.run(93, || {
                set.spawn_local_on(async { (93, ID.get()) }, &local_set)
            });
            local_set.block_on(runtime, async {
                ID.run(94, || set.spawn_local(async { (94, ID.get()) }));
                set.extend((0..3).map(|_| async { (0, ID.get()) }));
                // C-38: also between the joins.
                let mut joined = Vec::new();
                ID.scope(95, async {
                    while let Some(next) = set.join_next().await {
                        assert_eq!(ID.get(), Some(95));
                        joined.push(next.unwrap());
                    }
                })
                .await;
                joined
            })
        };
        assert_eq!(outer.len(), 10);
        for (bound, seen) in outer {
            assert_eq!(seen, if bound == 0 { id } else { Some(bound) });
        }
    });
}

#[test]
fn c39_c40_outputs_are_dropped_where_they_are_owned() {
    everywhere(|runtime, _| {
        let log = Log::default();
        let mut set = JoinSet::new();
        // Taken: dropped by the joiner.
        let output = log.tracker("taken");
        ID.run(90, || set.spawn_on(async { output }, runtime.handle()));
        ID.run(91, || drop(runtime.block_on(set.join_next())));
        // Not taken: dropped with the set.
        let output = log.tracker("left");
        let task = ID.run(90, || set.spawn_on(async { output }, runtime.handle()));
        wait_until_finished(&task);
        ID.run(92, || drop(set));
        // Detached: dropped in the task's frame.
        let mut set = JoinSet::new();
        let (release, released) = oneshot::channel::<()>();
        let output = log.tracker("detached");
        let task = async move {
            released.await.unwrap();
            output
        };
        ID.run(90, || set.spawn_on(task, runtime.handle()));
        ID.run(93, || set.detach_all());
        release.send(()).unwrap();
        assert_eq!(
            log.wait(3),
            [
                ("taken", Some(91)),
                ("left", Some(92)),
                ("detached", Some(90))
            ]
        );
    });
}

#[test]
fn c41_c42_members_of_a_dropped_set_are_dropped_in_their_frames() {
    everywhere(|runtime, _| {
        let log = Log::default();
        let mut set = JoinSet::new();
        let (parked, is_parked) = mpsc::channel();
        for _ in 0..5 {
            let (future, parked) = (log.tracker("future"), parked.clone());
            let endless = async move {
                let _future = future;
                parked.send(()).unwrap();
                pending::<()>().await;
            };
            ID.run(90, || set.spawn_on(endless, runtime.handle()));
        }
        for _ in 0..5 {
            is_parked.recv().unwrap();
        }
        ID.run(91, || drop(set));
        assert_eq!(log.wait(5), [("future", Some(90)); 5]);
    });
}

#[test]
fn c47_c90_a_set_keeps_neither_the_frames_of_its_members_nor_of_its_joiners() {
    everywhere(|runtime, _| {
        let mut set = JoinSet::new();
        // The frames of members that have ended and are not joined.
        let (frame, site) = bound_here(bind(&KEPT, Default::default()));
        let tasks: Vec<_> = frame.run(|| {
            let mut tasks: Vec<_> = (0..5)
                .map(|_| set.spawn_on(async {}, runtime.handle()))
                .collect();
            tasks.push(set.spawn_blocking_on(|| (), runtime.handle()));
            tasks
        });
        drop(frame);
        tasks.iter().for_each(wait_until_finished);
        site.assert_live(0);
        assert_eq!(set.len(), 6);
        // That of a task which joins members that run on, and ends.
        set.spawn_on(pending::<()>(), runtime.handle());
        let (frame, site) = bound_here(bind(&KEPT, Default::default()));
        let joiner = async move {
            for _ in 0..6 {
                set.join_next().await.unwrap().unwrap();
            }
            {
                let mut wait = std::pin::pin!(set.join_next());
                assert!(futures::poll!(wait.as_mut()).is_pending());
            }
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(set.poll_join_next(&mut cx).is_pending());
            set
        };
        let joiner = frame.run(|| runtime.spawn(joiner));
        drop(frame);
        let set = runtime.block_on(joiner).unwrap();
        site.assert_live(0);
        drop(set);
    });
}

#[test]
fn c83_the_error_of_a_member_has_the_frame_of_its_panic() {
    everywhere(|runtime, _| {
        let mut set = JoinSet::new();
        let failing = ID.scope(90, async { panic!("a member") });
        set.spawn_on(failing, runtime.handle());
        let joined: Result<(), _> = runtime.block_on(set.join_next()).unwrap();
        let error = joined.unwrap_err();
        assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(90));
    });
}
