//! A task's frame does not depend on its waker's caller: C-49.

use std::task::Waker;
use std::thread;

use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};

use crate::check_context::{CheckContext, Slot};
use crate::check_result::{CheckError, CheckResult, Failure, expect};
use crate::checks::workers::polls_end;
use crate::support::{ID, eventually, in_time, pause, yield_times};

/// Each calls `wake` under its own frame, so that the number shows which frame was seen.
const FROM: [(u64, &str); 4] = [
    (20, "the thread that spawned it"),
    (21, "another thread"),
    (22, "another task"),
    (23, "another task, in a scope"),
];

pub(crate) fn c49_a_task_runs_in_its_own_frame_however_it_is_woken(
    check: &CheckContext,
) -> CheckResult {
    let waker = Slot::<Waker>::new();
    let seen = check.block_on(async {
        let task = ID.run(10, || {
            let waker = waker.clone();
            check.spawn(async move {
                let mut seen = Vec::new();
                for _ in FROM {
                    pause(|own| waker.put(own.clone())).await;
                    seen.push(ID.get());
                }
                seen
            })
        });
        for (number, from) in FROM {
            let mut taken = None;
            eventually(|| {
                taken = waker.take();
                taken.is_some()
            })
            .await;
            let Some(waker) = taken else {
                let before = "a task that was woken is polled again";
                let seen = format!("not in time, when {from} was to wake it");
                return Err(Failure::new(before, seen, "a wake-up is lost").into());
            };
            // The task's poll is over when it is woken, so the caller of `wake` may poll it.
            polls_end(check).await;
            match number {
                20 => ID.run(20, || waker.wake()),
                21 => {
                    let other = thread::spawn(move || ID.run(21, || waker.wake_by_ref()));
                    // The thread does not panic.
                    let _ = other.join();
                }
                22 => {
                    let other = ID.run(22, || check.spawn(async move { waker.wake() }));
                    other.output().await?;
                }
                _ => {
                    let wakes = ID.scope(23, async move {
                        yield_times(1).await;
                        waker.wake();
                    });
                    check.spawn(wakes).output().await?;
                }
            }
        }
        let late = || {
            Failure::new(
                "a woken task ends",
                "it did not in time",
                "a wake-up is lost",
            )
        };
        in_time(task.output()).await.ok_or_else(late)?
    })?;
    for ((number, from), seen) in FROM.into_iter().zip(seen) {
        expect(
            &format!("ID in a task of 10 that is woken by {from}, under {number}"),
            Some(10),
            seen,
            &[
                (
                    Some(number),
                    "polled in the frame of the code that wakes it: a wake-up carries no frame, \
                     and a poll inside `wake` needs the task's own, too",
                ),
                (None, "the task's frame is not entered for this poll"),
                (check.id(), "polled in the frame of block_on's caller"),
            ],
        )?;
    }
    Ok(())
}

pub(crate) fn c49_a_task_woken_by_many_runs_in_its_own_frame(check: &CheckContext) -> CheckResult {
    const SENDERS: u64 = 8;
    const MESSAGES: usize = 20;
    check.block_on(async {
        let (sender, mut receiver) = mpsc::channel::<u64>(2);
        let receiving = ID.run(10, || {
            check.spawn(async move {
                let mut received = 0;
                while let Some(from) = receiver.next().await {
                    expect(
                        "ID in a task of 10 that many others wake",
                        Some(10),
                        ID.get(),
                        &[
                            (Some(from), "polled in the frame of the code that wakes it"),
                            (None, "the task's frame is not entered for each poll"),
                        ],
                    )?;
                    received += 1;
                }
                Ok::<_, CheckError>(received)
            })
        });
        let sending: Vec<_> = (0..SENDERS)
            .map(|number| {
                let own = 100 + number;
                let mut sender = sender.clone();
                ID.run(own, || {
                    check.spawn(async move {
                        for _ in 0..MESSAGES {
                            // The receiver may have failed; then it reports that itself.
                            drop(sender.send(own).await);
                            expect(
                                "ID in one of many tasks that wake another and are woken by it",
                                Some(own),
                                ID.get(),
                                &[(Some(10), "polled in the frame of the code that wakes it")],
                            )?;
                        }
                        Ok::<_, CheckError>(())
                    })
                })
            })
            .collect();
        drop(sender);
        let received = receiving.output().await??;
        for sender in sending {
            sender.output().await??;
        }
        expect(
            "messages that a task got from many others",
            SENDERS as usize * MESSAGES,
            received,
            &[],
        )
    })
}
