//! Lost wake-ups on real sockets and timers: round trips of one byte on many connections, while
//! timers are armed and canceled at random.
//!
//! Each connection and each timer task counts its rounds. A watchdog on a separate thread compares
//! the counts and names the tasks that no longer advance. A lost wake-up is permanent here: nothing
//! else ends the wait of a connection, neither a timeout nor a second event.
//!
//! A read of one byte into a buffer of one byte is never short, so each round trip includes a read
//! that would block and the clear of the readiness after it: the race of a clear and an event.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, pending, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use framewise::net::{TcpListener, TcpStream};
use framewise::runtime::Builder;
use framewise::spawn;
use framewise::time::{sleep, timeout};
use futures::channel::oneshot;

/// The variable with the run time of each runtime in seconds. More than the default finds rarer
/// bugs.
const SECONDS: &str = "FRAMEWISE_STRESS_SECONDS";

/// The time after which a connection or a timer task without progress counts as stalled. A round
/// takes microseconds, so this is generous even on a busy machine.
const STALL: Duration = Duration::from_secs(15);

/// The way in which a connection waits.
#[derive(Clone, Copy, Debug)]
enum Wait {
    /// In the list of waiters: the stream's own methods.
    List,
    /// In the slot: poll functions, as the I/O traits use them.
    Slot,
    /// Waits for readiness, and then tries the operation.
    Readable,
    /// Like `List`, in several tasks that take turns: each event has several waiters.
    Shared,
}

/// The progress of one task, for the watchdog.
struct Progress {
    name: String,
    rounds: AtomicU64,
    has_ended: AtomicBool,
}

impl Progress {
    fn new(name: String) -> Arc<Self> {
        Arc::new(Self {
            name,
            rounds: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
        })
    }

    fn advance(&self) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
    }
}

/// Marks the end of a task, even if it panics.
struct Ended(Arc<Progress>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Release);
    }
}

/// Ends the process if a task no longer advances. Returns when all tasks have ended.
fn watch(tasks: &[Arc<Progress>], workers: usize, stop: &AtomicBool, run: Duration) {
    let begun = Instant::now();
    let mut seen: Vec<(u64, Instant)> = vec![(0, begun); tasks.len()];
    loop {
        // The watchdog samples; no test waits for this sleep.
        thread::sleep(Duration::from_millis(20));
        let mut stalled = Vec::new();
        let mut is_over = true;
        for (task, (rounds, since)) in tasks.iter().zip(&mut seen) {
            if task.has_ended.load(Ordering::Acquire) {
                continue;
            }
            is_over = false;
            let now = task.rounds.load(Ordering::Relaxed);
            if now != *rounds {
                (*rounds, *since) = (now, Instant::now());
            } else if since.elapsed() >= STALL {
                stalled.push(format!("{} after {now} rounds", task.name));
            }
        }
        if is_over {
            return;
        }
        if !stalled.is_empty() {
            eprintln!(
                "with {workers} workers a wake-up was lost; these hang: {}",
                stalled.join(", ")
            );
            // The shutdown of the runtime may hang, too.
            std::process::exit(101);
        }
        if begun.elapsed() >= run {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Pseudo-random numbers (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Reads one byte. Returns zero if the peer has closed the connection.
async fn read_byte(stream: &TcpStream, wait: Wait) -> usize {
    let mut byte = [0];
    match wait {
        Wait::List | Wait::Shared => stream.read(&mut byte).await.unwrap(),
        Wait::Slot => loop {
            poll_fn(|cx| stream.poll_read_ready(cx)).await.unwrap();
            match stream.try_read(&mut byte) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result.unwrap(),
            }
        },
        Wait::Readable => loop {
            stream.readable().await.unwrap();
            match stream.try_read(&mut byte) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result.unwrap(),
            }
        },
    }
}

/// Sends back each byte.
async fn serve(stream: Arc<TcpStream>, wait: Wait) {
    while read_byte(&stream, wait).await == 1 {
        stream.write_all(b"x").await.unwrap();
    }
}

/// Sends a byte and waits for its return, over and over.
async fn ask(address: std::net::SocketAddr, wait: Wait, ended: Ended, stop: Arc<AtomicBool>) {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(b"x").await.unwrap();
        assert_eq!(read_byte(&stream, wait).await, 1);
        ended.0.advance();
    }
}

/// Arms timers, and cancels some of them.
async fn arm_and_cancel(mut random: Random, ended: Ended, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let brief = Duration::from_micros(random.below(1_500));
        match random.below(5) {
            0 => sleep(brief).await,
            1 => assert!(timeout(brief, pending::<()>()).await.is_err()),
            2 => timeout(Duration::from_secs(3600), sleep(brief))
                .await
                .unwrap(),
            3 => {
                // Armed and dropped, then another.
                let mut canceled = pin!(sleep(Duration::from_micros(500)));
                let _ = poll_fn(|cx| Poll::Ready(canceled.as_mut().poll(cx))).await;
                sleep(brief).await;
            }
            _ => {
                // A task on another worker ends this wait.
                let (sender, receiver) = oneshot::channel();
                let armed = spawn(async move {
                    sleep(brief).await;
                    sender.send(()).unwrap();
                });
                receiver.await.unwrap();
                armed.await.unwrap();
            }
        }
        ended.0.advance();
    }
}

/// Returns the run time of each runtime.
fn duration() -> Duration {
    let seconds = std::env::var(SECONDS).map_or(1.5, |seconds| seconds.parse().unwrap());
    Duration::from_secs_f64(seconds)
}

/// Stresses one runtime in this process.
fn stress(workers: usize, connections: u64, timers: u64) {
    let waits = [Wait::List, Wait::Slot, Wait::Readable, Wait::Shared];
    let runtime = Builder::new().worker_threads(workers).build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    let mut begin = |name: String| {
        let progress = Progress::new(name);
        tasks.push(Arc::clone(&progress));
        Ended(progress)
    };
    runtime.block_on(async {
        for index in 0..connections {
            let wait = waits[index as usize % waits.len()];
            let ended = begin(format!("connection {index} ({wait:?})"));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            drop(spawn(ask(address, wait, ended, Arc::clone(&stop))));
            drop(spawn(async move {
                let stream = Arc::new(listener.accept().await.unwrap().0);
                stream.set_nodelay(true).unwrap();
                let readers = if matches!(wait, Wait::Shared) { 3 } else { 1 };
                for _ in 0..readers {
                    drop(spawn(serve(Arc::clone(&stream), wait)));
                }
            }));
        }
        for index in 0..timers {
            let ended = begin(format!("timer task {index}"));
            drop(spawn(arm_and_cancel(
                Random::new(index + 1),
                ended,
                Arc::clone(&stop),
            )));
        }
    });
    watch(&tasks, workers, &stop, duration());
    let still: Vec<_> = tasks
        .iter()
        .filter(|task| task.rounds.load(Ordering::Relaxed) == 0)
        .map(|task| &task.name)
        .collect();
    assert!(still.is_empty(), "these made no round at all: {still:?}");
}

/// Runs `stress` in a child process, which the watchdog ends if a task hangs.
fn stress_in_a_child(workers: usize, connections: u64, timers: u64) {
    const CHILD: &str = "FRAMEWISE_STRESS_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return stress(workers, connections, timers);
    }
    let test = thread::current().name().unwrap().to_owned();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "the child ran no test: {said}");
}

/// Few connections and no other work, so workers park between any two messages.
#[test]
fn no_wakeup_is_lost_on_8_connections_with_2_workers() {
    stress_in_a_child(2, 8, 0);
}

#[test]
fn no_wakeup_is_lost_on_64_connections_and_32_timers_with_1_worker() {
    stress_in_a_child(1, 64, 32);
}

#[test]
fn no_wakeup_is_lost_on_64_connections_and_32_timers_with_2_workers() {
    stress_in_a_child(2, 64, 32);
}

#[test]
fn no_wakeup_is_lost_on_64_connections_and_32_timers_with_8_workers() {
    stress_in_a_child(8, 64, 32);
}
