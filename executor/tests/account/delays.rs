//! Queue delays, beside what the test measures itself.

use std::time::{Duration, Instant};

use framewise::account;
use framewise::spawn;

use super::{TENANT, compute, one_worker};

#[test]
fn a_task_that_waits_for_the_worker_is_delayed() {
    let tenants = account::by(&TENANT);
    let runtime = one_worker(&tenants);
    let shortest = runtime.block_on(runtime.spawn(async {
        let mut shortest = Duration::MAX;
        for _ in 0..64 {
            let waits = TENANT.run("ada", || spawn(async {}));
            let began = Instant::now();
            compute(50_000);
            shortest = shortest.min(began.elapsed());
            waits.await.unwrap();
        }
        shortest
    }));
    let shortest = shortest.unwrap();
    drop(runtime);
    let snapshot = tenants.snapshot();
    let ada = snapshot.get(&"ada").unwrap();
    assert!(ada.timed_delays() >= 64 / 8, "{ada}");
    let least = ada.queue_delay(0.0).unwrap();
    assert!(
        least >= shortest.mul_f64(7.0 / 8.0),
        "{least:?}, truly {shortest:?}"
    );
    assert!(ada.queue_delay(0.5) <= ada.queue_delay(0.99));
}

#[test]
fn a_measured_request_has_each_delay_of_its_tasks() {
    let tenants = account::by(&TENANT);
    let runtime = one_worker(&tenants);
    let request = runtime.spawn(account::measure(async {
        let waits: Vec<_> = (0..3).map(|_| spawn(async {})).collect();
        let began = Instant::now();
        compute(100_000);
        let computed = began.elapsed();
        for task in waits {
            task.await.unwrap();
        }
        computed
    }));
    let (computed, usage) = runtime.block_on(request).unwrap();
    assert!(usage.queued() >= 3 * computed, "{usage}");
    assert!(usage.busy() >= computed, "{usage}");
    assert_eq!(usage.tasks(), 3);
}
