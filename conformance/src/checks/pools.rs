//! Contract, "Wakes, time, I/O": C-56, C-57 and C-60, which are about objects that outlive a
//! request.

use std::sync::{Arc, Mutex, PoisonError};

use framewise_context::{Frame, bind};
use futures::channel::{mpsc, oneshot};
use futures::{FutureExt, StreamExt};

use super::time_io::{NOT_CARRIED, THE_WAKERS};
use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckError, CheckResult, ensure, expect, expect_entries};
use crate::executor::Executor;
use crate::support::{DropTracker, Gate, ID, KEPT, Log, in_time, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __pools_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments pools:
            c56_a_pooled_connection_used_by_a_second_request_sees_the_second
            c57_a_driver_task_put_at_the_root_frees_the_first_requests_values
            c60_a_lazy_initializer_is_independent_of_its_first_user
            c60_an_initializer_goes_on_for_its_second_user_when_the_first_is_aborted
        }
    };
}

/// A call to a driver, and the sender of its answer.
type Call = (u64, oneshot::Sender<(u64, Option<u64>)>);

/// A client whose one connection is driven by a task that its first use starts.
struct Client {
    executor: Arc<dyn Executor>,
    driver: Mutex<Option<mpsc::UnboundedSender<Call>>>,
}

impl Client {
    fn new(check: &CheckContext) -> Arc<Self> {
        Arc::new(Self {
            executor: Arc::clone(check.executor()),
            driver: Mutex::default(),
        })
    }

    /// Calls the driver, and returns the answer and `ID` in the driver.
    async fn call(&self, number: u64) -> Option<(u64, Option<u64>)> {
        let (answer, answered) = oneshot::channel();
        // If the driver has ended, the answer's sender is dropped, and the caller sees that.
        drop(self.connection().unbounded_send((number, answer)));
        answered.await.ok()
    }

    fn connection(&self) -> mpsc::UnboundedSender<Call> {
        let (sender, calls) = mpsc::unbounded();
        let (connection, is_new) = {
            let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = driver.is_none();
            (driver.get_or_insert(sender).clone(), is_new)
        };
        if is_new {
            self.executor.spawn_root(Box::pin(drive(calls)));
        }
        connection
    }
}

async fn drive(mut calls: mpsc::UnboundedReceiver<Call>) {
    while let Some((number, answer)) = calls.next().await {
        yield_times(2).await;
        // The request may have been dropped.
        let _ = answer.send((number + 1, ID.get()));
    }
}

/// Makes a request under `number` with two calls; returns what it and the driver saw, in turn.
async fn request(check: &CheckContext, client: &Arc<Client>, number: u64, kept: KeptBy) -> Answers {
    let client = Arc::clone(client);
    let task = async move {
        let mut seen = Vec::new();
        for number in 0..2 {
            let answered = client.call(number).await;
            seen.push((
                answered.map(|(answer, _)| answer),
                ID.get(),
                answered.and_then(|a| a.1),
            ));
        }
        seen
    };
    let bindings = bind(&ID, number).and(&KEPT, kept);
    bindings.run(|| check.spawn(task)).output().await
}

type KeptBy = crate::support::DropToken;
type Answers = Result<Vec<(Option<u64>, Option<u64>, Option<u64>)>, CheckError>;

pub(crate) fn c56_a_pooled_connection_used_by_a_second_request_sees_the_second(
    check: &CheckContext,
) -> CheckResult {
    let client = Client::new(check);
    for number in [10, 11, 12] {
        let requests = request(check, &client, number, DropTracker::new().0);
        for (answer, seen, _) in check.block_on(requests)? {
            ensure(answer.is_some(), "a driver answers", "it is gone", "")?;
            expect(
                &format!("ID in request {number}, which uses a pooled connection"),
                Some(number),
                seen,
                &[
                    (None, NOT_CARRIED),
                    (
                        Some(number - 1),
                        "the frame of the connection's last user is kept",
                    ),
                    (Some(10), "the frame of the connection's first user is kept"),
                    (check.id(), "polled in the frame of the thread that drives"),
                ],
            )?;
        }
    }
    Ok(())
}

pub(crate) fn c57_a_driver_task_put_at_the_root_frees_the_first_requests_values(
    check: &CheckContext,
) -> CheckResult {
    let client = Client::new(check);
    for number in [10, 11] {
        let (token, tracker) = DropTracker::new();
        let requests = check.block_on(request(check, &client, number, token))?;
        for (_, _, in_driver) in requests {
            expect(
                "ID in a driver that the request under 10 has spawned at the root",
                None,
                in_driver,
                &[
                    (
                        Some(10),
                        "spawning at the root captures the spawner's frame",
                    ),
                    (Some(11), THE_WAKERS),
                    (check.id(), "polled in the frame of the thread that drives"),
                ],
            )?;
        }
        ensure(
            check.block_on(crate::support::eventually(|| tracker.is_dropped())),
            "a request's values are freed at its end, though the driver that it started lives on",
            &format!("the values of the request under {number} are still held"),
            "the driver's task, or its waker in the connection, holds the request's frame",
        )?;
    }
    Ok(())
}

pub(crate) fn c60_a_lazy_initializer_is_independent_of_its_first_user(
    check: &CheckContext,
) -> CheckResult {
    let initializer = {
        let check = check.clone();
        async move {
            let log = Log::new();
            log.record("at its start");
            yield_times(3).await;
            log.record("after an await");
            let child = {
                let log = log.clone();
                async move { log.record("in a task that it spawns") }
            };
            check.spawn(child).output().await?;
            Ok::<_, CheckError>(log.entries())
        }
    };
    // In the frame in which it is defined, here the root, and not in its first user's.
    let shared = Frame::root().scope(initializer).boxed().shared();
    let uses = |shared: &futures::future::Shared<_>| {
        let shared = shared.clone();
        async move {
            let made = shared.await;
            (made, ID.get())
        }
    };
    let (token, tracker) = DropTracker::new();
    let (first, second) = check.block_on(async {
        let first = bind(&ID, 10)
            .and(&KEPT, token)
            .run(|| check.spawn(uses(&shared)));
        let second = ID.run(11, || check.spawn(uses(&shared)));
        Ok::<_, CheckError>((first.output().await?, second.output().await?))
    })?;
    expect_entries(
        &first.0?,
        &[
            ("at its start", None),
            ("after an await", None),
            ("in a task that it spawns", None),
        ],
        &[
            (
                Some(10),
                "the frame of the task that triggered it: a scope at the root does not replace it",
            ),
            (Some(11), THE_WAKERS),
            (
                check.id(),
                "a task spawned at the root is polled in the frame of the thread that drives",
            ),
        ],
    )?;
    let causes = [
        (None, NOT_CARRIED),
        (check.id(), "polled in the frame of the thread that drives"),
    ];
    expect("ID in the user under 10", Some(10), first.1, &causes)?;
    expect("ID in the user under 11", Some(11), second.1, &causes)?;
    ensure(
        check.block_on(crate::support::eventually(|| tracker.is_dropped())),
        "the values of the task that triggered it are freed, though what was made is held",
        "they are held",
        "the task of the initializer, or a waker in it, holds the frame",
    )
}

pub(crate) fn c60_an_initializer_goes_on_for_its_second_user_when_the_first_is_aborted(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    let (log, begun, go) = (Log::new(), Gate::new(), Gate::new());
    let initializer = {
        let (log, begun, go) = (log.clone(), Arc::clone(&begun), Arc::clone(&go));
        async move {
            log.record("polled by its first user");
            begun.open();
            go.passed().await;
            log.record("polled by its second user");
        }
    };
    let shared = Frame::root().scope(initializer).boxed().shared();
    let (token, tracker) = DropTracker::new();
    check.block_on(async {
        let bindings = bind(&ID, 10).and(&KEPT, token);
        let mut first = bindings.run(|| check.spawn_joinable(shared.clone()))?;
        in_time(begun.passed()).await;
        if !first.abort() {
            go.open();
            return not_applicable("tasks cannot be aborted");
        }
        drop(in_time(first.join()).await);
        ensure(
            crate::support::eventually(|| tracker.is_dropped()).await,
            "the values of a user that was aborted are freed, though what it began goes on",
            "they are held",
            "the waker that it left behind holds the frame",
        )?;
        let second = ID.run(11, || check.spawn(shared));
        ID.run(12, || go.open());
        second.output().await
    })?;
    expect_entries(
        &log.entries(),
        &[
            ("polled by its first user", None),
            ("polled by its second user", None),
        ],
        &[(
            Some(11),
            "the frame of the task that polls it: a scope at the root does not replace it",
        )],
    )
}
