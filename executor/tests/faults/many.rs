//! Very many tasks, timers and connections at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use framewise::ContextVar;
use framewise::net::{TcpListener, TcpStream};
use framewise::runtime::{Builder, Runtime};
use framewise_test_support::HangWatch;
use tokio::sync::Semaphore;

static NUMBER: ContextVar<u64> = ContextVar::new("number");

fn runtime() -> Runtime {
    Builder::new().worker_threads(2).build().unwrap()
}

/// A million tasks wait, each in its own frame; all are woken, run and joined.
#[test]
fn a_million_tasks_wait_and_are_woken() {
    const TASKS: u64 = 1_000_000;
    let _watch = HangWatch::new("a million tasks".to_owned());
    let runtime = runtime();
    let gate = Arc::new(Semaphore::new(0));
    let sum = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let (gate, sum) = (Arc::clone(&gate), Arc::clone(&sum));
            let task = async move {
                gate.acquire().await.unwrap().forget();
                sum.fetch_add(NUMBER.get().unwrap(), Ordering::Relaxed);
            };
            NUMBER.run(number, || runtime.spawn(task))
        })
        .collect();
    gate.add_permits(TASKS as usize);
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(sum.load(Ordering::Relaxed), TASKS * (TASKS - 1) / 2);
}

/// A million timers wait; most are cancelled, the others fire.
#[test]
fn a_million_timers_wait_and_are_cancelled_or_fire() {
    const TIMERS: u64 = 1_000_000;
    let _watch = HangWatch::new("a million timers".to_owned());
    let runtime = runtime();
    let fired = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let mut kept = Vec::new();
        let mut tasks = Vec::new();
        for number in 0..TIMERS {
            let far = Duration::from_secs(3600 + number % 100_000);
            let mut sleep = Box::pin(framewise::time::sleep(far));
            assert!(futures::poll!(&mut sleep).is_pending());
            kept.push(sleep);
            if number.is_multiple_of(1000) {
                let fired = Arc::clone(&fired);
                tasks.push(framewise::spawn(async move {
                    framewise::time::sleep(Duration::from_millis(number % 7)).await;
                    fired.fetch_add(1, Ordering::Relaxed);
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        drop(kept);
    });
    assert_eq!(fired.load(Ordering::Relaxed), TIMERS / 1000);
}

/// Raises the soft limit of descriptors to the hard one and returns it.
fn descriptors() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls only read or write the struct.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    limit.rlim_cur
}

async fn echo(stream: TcpStream) -> io::Result<u64> {
    let mut buffer = [0; 8];
    let mut echoed = 0;
    while stream.read(&mut buffer).await? > 0 {
        assert_eq!(u64::from_be_bytes(buffer), NUMBER.get().unwrap());
        stream.write_all(&buffer).await?;
        echoed += 1;
    }
    Ok(echoed)
}

/// Ten thousand connections are idle (fewer where the process may not have that many descriptors);
/// then each sends a message, and each is answered in its own frame.
#[test]
fn ten_thousand_idle_connections_are_all_served() {
    let _watch = HangWatch::new("ten thousand connections".to_owned());
    let connections = 10_000.min((descriptors() - 200) / 2);
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        let mut servers = Vec::new();
        for number in 0..connections {
            let (client, accepted) = futures::join!(TcpStream::connect(address), listener.accept());
            clients.push(client.unwrap());
            let served = NUMBER.scope(number, echo(accepted.unwrap().0));
            servers.push(framewise::spawn(served));
        }
        for (number, client) in (0_u64..).zip(&clients) {
            client.write_all(&number.to_be_bytes()).await.unwrap();
        }
        for (number, client) in (0_u64..).zip(&clients) {
            let mut answer = [0; 8];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(u64::from_be_bytes(answer), number);
        }
        drop(clients);
        for server in servers {
            assert_eq!(server.await.unwrap().unwrap(), 1);
        }
    });
}
