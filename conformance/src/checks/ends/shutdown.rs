//! Tasks that remain when the executor shuts down: C-45.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::expect_dropped;
use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, Failure};
use crate::checks::workers::while_occupied;
use crate::support::{Gate, ID, Log, in_time, park};

const LEFT: [(&str, u64); 5] = [
    ("a variable in a scope of a parked task that is left", 50),
    ("a variable of a parked task that is left", 10),
    ("a task that is left in the queue", 11),
    ("a scope that is left in the queue", 51),
    ("a task that is left in a sleep", 12),
];

fn leave_tasks(check: &CheckContext, log: &Log) -> Result<Vec<Arc<Gate>>, CheckError> {
    let [inner, outer, queued, scope, sleeping] = LEFT.map(|(label, _)| log.on_drop(label));
    let (parked, release) = (Gate::new(), Gate::new());
    let (asleep, never) = (Gate::new(), Gate::new());
    let gates = vec![Arc::clone(&release), Arc::clone(&never)];
    check.block_on(async {
        let executor = check.executor();
        ID.run(10, || {
            let parked = Arc::clone(&parked);
            executor.spawn(Box::pin(async move {
                let _outer = outer;
                ID.scope(50, async move {
                    let _inner = inner;
                    park(parked, release).await;
                })
                .await;
            }));
        });
        let sleep = check.timers().ok().map(|timers| {
            // Longer than the suite lasts.
            timers.sleep(Duration::from_secs(3_600))
        });
        ID.run(12, || {
            let asleep = Arc::clone(&asleep);
            let never = Arc::clone(&never);
            executor.spawn(Box::pin(async move {
                let _sleeping = sleeping;
                asleep.open();
                match sleep {
                    Some(sleep) => sleep.await,
                    None => never.passed().await,
                }
            }));
        });
        for gate in [parked, asleep] {
            if in_time(gate.passed()).await.is_none() {
                return Err(Failure::new("a task runs", "it was not polled in time", "").into());
            }
        }
        // If possible, these are not polled even once.
        while_occupied(check, || {
            let never = Arc::clone(&never);
            ID.run(11, || {
                executor.spawn(Box::pin(async move {
                    let _queued = queued;
                    never.passed().await;
                }));
            });
            let never = gates[1].clone();
            let scope = async move {
                let _scope = scope;
                never.passed().await;
            };
            ID.run(11, || executor.spawn(Box::pin(ID.scope(51, scope))));
        });
        Ok::<_, CheckError>(())
    })?;
    Ok(gates)
}

fn each_in_its_frame(check: &CheckContext, log: &Log) -> CheckResult {
    for (label, expected) in LEFT {
        expect_dropped(label, expected, log.find(label), check.id())?;
    }
    Ok(())
}

pub(crate) fn c45_shut_down_drops_each_task_in_its_frame(check: &CheckContext) -> CheckResult {
    let shutdown = check.shutdown()?;
    let log = Log::new();
    let gates = leave_tasks(check, &log)?;
    ID.run(90, || shutdown.shut_down());
    each_in_its_frame(check, &log)?;
    drop(gates);
    Ok(())
}

pub(crate) fn c45_shut_down_on_another_thread_drops_each_task_in_its_frame(
    check: &CheckContext,
) -> CheckResult {
    check.shutdown()?;
    check.needs_any_thread()?;
    let log = Log::new();
    let gates = leave_tasks(check, &log)?;
    let own = check.clone();
    let shut_down = thread::spawn(move || {
        ID.run(90, || {
            own.shutdown()?.shut_down();
            Ok::<_, CheckError>(())
        })
    });
    shut_down
        .join()
        .unwrap_or_else(|payload| Err(crate::check_context::panicked(&*payload).into()))?;
    each_in_its_frame(check, &log)?;
    drop(gates);
    Ok(())
}
