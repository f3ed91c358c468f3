//! Contract, "Wakes, time, I/O": C-54, C-55 and C-58, messages and locks between tasks.

use std::pin::pin;
use std::sync::Arc;

use framewise_context::WithFrame;
use futures::channel::{mpsc, oneshot};
use futures::{SinkExt, StreamExt};

use super::time_io::{LOST_AT_A_WAKE, NOT_CARRIED, THE_WAKERS};
use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, expect, expect_entries};
use crate::support::{Gate, ID, Log, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __channels_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments channels:
            c54_a_channels_receiver_sees_its_own_frame
            c55_a_message_is_handled_in_the_senders_frame
            c55_a_dropped_message_ends_in_the_senders_frame
            c58_a_mutex_is_handed_over_to_the_waiters_frame
        }
    };
}

pub(crate) fn c54_a_channels_receiver_sees_its_own_frame(check: &CheckContext) -> CheckResult {
    let (mut sender, mut receiver) = mpsc::channel(0);
    let receiving = async move {
        let mut seen = Vec::new();
        while let Some(sender_id) = receiver.next().await {
            seen.push((sender_id, ID.get()));
        }
        seen
    };
    let sending = async move {
        for _ in 0..5 {
            if sender.send(ID.get()).await.is_err() {
                break;
            }
            yield_times(1).await;
        }
        ID.get()
    };
    let (seen, sender_id) = check.block_on(async {
        let receiving = ID.run(10, || check.spawn(receiving));
        let sending = ID.run(20, || check.spawn(sending));
        Ok::<_, CheckError>((receiving.output().await?, sending.output().await?))
    })?;
    let causes = [
        (None, NOT_CARRIED),
        (Some(20), THE_WAKERS),
        (check.id(), "polled in the frame of the thread that drives"),
    ];
    for &(_, receiver_id) in &seen {
        expect(
            "ID in the receiver, spawned under 10",
            Some(10),
            receiver_id,
            &causes,
        )?;
    }
    let sent = vec![Some(20); 5];
    let received: Vec<_> = seen.iter().map(|&(sender_id, _)| sender_id).collect();
    expect(
        "ID in the sender, spawned under 20, at each send",
        sent,
        received,
        &[],
    )?;
    expect(
        "ID in the sender, after the last",
        Some(20),
        sender_id,
        &[(Some(10), THE_WAKERS), (None, LOST_AT_A_WAKE)],
    )
}

pub(crate) fn c55_a_message_is_handled_in_the_senders_frame(check: &CheckContext) -> CheckResult {
    let (sender, receiver) = oneshot::channel::<WithFrame<u64>>();
    let log = Log::new();
    let receiving = {
        let log = log.clone();
        async move {
            let Ok(message) = receiver.await else { return };
            log.record("in the receiver, spawned under 10, before it handles the message");
            let work = message.scope(|message| {
                log.record("where a message from under 20 is handled");
                let log = log.clone();
                async move {
                    yield_times(message as usize).await;
                    log.record("in the future that works on the message");
                }
            });
            work.await;
            log.record("in the receiver, after the work");
        }
    };
    let sending = async move {
        // The receiver may have been dropped: the entries below show it.
        drop(sender.send(WithFrame::new(2)));
    };
    check.block_on(async {
        let receiving = ID.run(10, || check.spawn(receiving));
        ID.run(20, || check.spawn(sending)).output().await?;
        receiving.output().await
    })?;
    expect_entries(
        &log.entries(),
        &[
            (
                "in the receiver, spawned under 10, before it handles the message",
                Some(10),
            ),
            ("where a message from under 20 is handled", Some(20)),
            ("in the future that works on the message", Some(20)),
            ("in the receiver, after the work", Some(10)),
        ],
        &[
            (None, NOT_CARRIED),
            (check.id(), "polled in the frame of the thread that drives"),
            (
                Some(20),
                "a frame that was entered in a poll is not left again",
            ),
            (
                Some(10),
                "the sender's frame was not the current one where it sent",
            ),
        ],
    )
}

pub(crate) fn c55_a_dropped_message_ends_in_the_senders_frame(check: &CheckContext) -> CheckResult {
    let (sender, receiver) = mpsc::unbounded();
    let log = Log::new();
    let message = log.on_drop("in a message whose sender was spawned under 20");
    let sending = async move { drop(sender.unbounded_send(WithFrame::new(message))) };
    check.block_on(async {
        ID.run(20, || check.spawn(sending)).output().await?;
        ID.run(10, || check.spawn(async move { drop(receiver) }))
            .output()
            .await
    })?;
    expect_entries(
        &log.entries(),
        &[("in a message whose sender was spawned under 20", Some(20))],
        &[
            (None, NOT_CARRIED),
            (
                check.id(),
                "the sender was polled in the frame of the thread that drives",
            ),
            (Some(10), "the sender was polled in another task's frame"),
        ],
    )
}

pub(crate) fn c58_a_mutex_is_handed_over_to_the_waiters_frame(check: &CheckContext) -> CheckResult {
    let mutex = Arc::new(futures::lock::Mutex::new(()));
    let (held, waits) = (Gate::new(), Gate::new());
    let holder = {
        let (mutex, held, waits) = (Arc::clone(&mutex), Arc::clone(&held), Arc::clone(&waits));
        async move {
            let guard = mutex.lock().await;
            held.open();
            waits.passed().await;
            ID.run(12, || drop(guard));
            ID.get()
        }
    };
    let waiter = async move {
        held.passed().await;
        let mut lock = pin!(mutex.lock());
        let _guard = std::future::poll_fn(|cx| {
            let polled = lock.as_mut().poll(cx);
            if polled.is_pending() {
                // The waiter is in the mutex's queue now.
                waits.open();
            }
            polled
        })
        .await;
        ID.get()
    };
    let (holder_id, waiter_id) = check.block_on(async {
        let holder = ID.run(10, || check.spawn(holder));
        let waiter = ID.run(11, || check.spawn(waiter));
        Ok::<_, CheckError>((holder.output().await?, waiter.output().await?))
    })?;
    let causes = [
        (None, NOT_CARRIED),
        (
            Some(12),
            "polled inline by the wake-up, in the frame of the code that unlocks",
        ),
        (Some(10), THE_WAKERS),
        (check.id(), "polled in the frame of the thread that drives"),
    ];
    expect(
        "ID in the waiter, spawned under 11",
        Some(11),
        waiter_id,
        &causes,
    )?;
    let causes = [
        (Some(12), "a scope is not left again"),
        (
            Some(11),
            "the waiter was polled inline by the wake-up, and its frame not left",
        ),
    ];
    expect(
        "ID in the holder, after it unlocked within 12",
        Some(10),
        holder_id,
        &causes,
    )
}
