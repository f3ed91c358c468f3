//! How long a wake takes from a thread outside when all workers sleep.

use std::thread;
use std::time::{Duration, Instant};

use crate::Face;

/// Sends `count` times to a task that waits, `pause` apart. Says how long each took to arrive.
pub fn latency<R: Face>(runtime: &R, count: usize, pause: Duration) -> Vec<Duration> {
    let (sender, receiver) = async_channel::bounded::<Instant>(1);
    let task = runtime.spawn_outside(async move {
        let mut latencies = Vec::with_capacity(count);
        while let Ok(sent) = receiver.recv().await {
            latencies.push(sent.elapsed());
        }
        latencies
    });
    for _ in 0..count {
        // The pause is what is asked about: meanwhile the workers fall asleep.
        thread::sleep(pause);
        let sent = sender.send_blocking(Instant::now());
        sent.expect("the task receives until the channel is closed");
    }
    sender.close();
    runtime.block_on(task)
}
