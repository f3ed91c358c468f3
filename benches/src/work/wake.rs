//! The latency of a wake-up from a thread outside the runtime while all workers are parked.

use std::thread;
use std::time::{Duration, Instant};

use crate::BenchRuntime;

/// Sends `count` messages, `pause` apart, to a waiting task. Returns the latency of each.
pub fn latency<R: BenchRuntime>(runtime: &R, count: usize, pause: Duration) -> Vec<Duration> {
    let (sender, receiver) = async_channel::bounded::<Instant>(1);
    let task = runtime.spawn_outside(async move {
        let mut latencies = Vec::with_capacity(count);
        while let Ok(sent) = receiver.recv().await {
            latencies.push(sent.elapsed());
        }
        latencies
    });
    for _ in 0..count {
        // The workers park during the pause. The sleep is part of the workload.
        thread::sleep(pause);
        let sent = sender.send_blocking(Instant::now());
        sent.expect("the task receives until the channel is closed");
    }
    sender.close();
    runtime.block_on(task)
}
