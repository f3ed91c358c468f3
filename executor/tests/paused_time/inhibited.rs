//! What keeps the time from jumping: blocking calls, and I/O that is ready.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use framewise::net::{TcpListener, TcpStream, lookup_host};
use framewise::task::{block_on, yield_now};
use framewise::time::{Instant, sleep, timeout};
use framewise_test_support::HangWatch;

use crate::{HOUR, MS, paused};

#[test]
fn a_blocking_call_holds_the_time_until_it_ends() {
    let _watch = HangWatch::new("a blocking call in paused time");
    paused().block_on(async {
        let start = Instant::now();
        let (reports, jumped) = mpsc::channel();
        let sleeping = framewise::spawn(async move {
            sleep(MS).await;
            let _ = reports.send(());
            start.elapsed()
        });
        let call = framewise::spawn_blocking(move || {
            // That nothing happens can only be watched for a while.
            let jumped = jumped.recv_timeout(20 * MS);
            assert_eq!(jumped, Err(RecvTimeoutError::Timeout));
            start.elapsed()
        });
        assert_eq!(call.await.unwrap(), Duration::ZERO, "it saw no jump");
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(sleeping.await.unwrap(), MS);
    });
}

/// The end of a call that no task waits for lets the time go on.
#[test]
fn the_time_goes_on_after_a_detached_call() {
    let _watch = HangWatch::new("the time after a detached call");
    paused().block_on(async {
        for _ in 0..100 {
            let start = Instant::now();
            drop(framewise::spawn_blocking(|| {}));
            sleep(HOUR).await;
            assert_eq!(start.elapsed(), HOUR);
        }
    });
}

#[test]
fn a_queued_call_holds_the_time() {
    let _watch = HangWatch::new("queued calls in paused time");
    let builder = framewise::runtime::Builder::new_current_thread();
    let builder = builder.start_paused(true).max_blocking_threads(1);
    builder.build().unwrap().block_on(async {
        let start = Instant::now();
        let calls: Vec<_> = (0..20)
            .map(|_| framewise::spawn_blocking(move || start.elapsed()))
            .collect();
        for call in calls {
            let limited = timeout(MS, call).await.expect("no time passes");
            assert_eq!(limited.unwrap(), Duration::ZERO);
        }
    });
}

#[test]
fn a_name_look_up_holds_the_time() {
    let _watch = HangWatch::new("a look-up in paused time");
    paused().block_on(async {
        let looked_up = timeout(MS, lookup_host("localhost:80")).await;
        assert!(looked_up.expect("no time passes").unwrap().next().is_some());
    });
}

#[test]
fn io_that_is_ready_comes_before_a_jump() {
    let _watch = HangWatch::new("I/O in paused time");
    paused().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let start = Instant::now();
        let client = framewise::spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            for _ in 0..100 {
                stream.write_all(b"ping").await.unwrap();
                let mut answer = [0; 4];
                stream.read_exact(&mut answer).await.unwrap();
            }
            assert_eq!(start.elapsed(), Duration::ZERO);
            sleep(HOUR).await;
        });
        let (stream, _) = listener.accept().await.unwrap();
        let answers = async {
            let mut request = [0; 4];
            while timeout(2 * HOUR, stream.read_exact(&mut request))
                .await
                .expect("within the limit")
                .is_ok()
            {
                stream.write_all(&request).await.unwrap();
            }
        };
        answers.await;
        assert_eq!(start.elapsed(), HOUR, "the client's sleep alone");
        client.await.unwrap();
    });
}

/// Another thread wakes a task just when the runtime is about to park, many times.
#[test]
fn a_wake_up_from_a_pool_thread_is_never_overtaken() {
    let _watch = HangWatch::new("wake-ups in paused time");
    paused().block_on(async {
        let start = Instant::now();
        for round in 0..500 {
            let call = framewise::spawn_blocking(move || round);
            if round % 3 == 0 {
                yield_now().await;
            }
            let joined = timeout(MS, call).await;
            assert_eq!(joined.expect("no time passes").unwrap(), round);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

/// `block_on` of a pool's thread waits beside the runtime, in its paused time.
#[test]
fn a_blocking_call_may_wait_for_tasks_but_not_for_timers() {
    let _watch = HangWatch::new("block_on in a blocking call in paused time");
    paused().block_on(async {
        let start = Instant::now();
        let call = framewise::spawn_blocking(move || {
            let task = framewise::spawn(async move { start.elapsed() });
            block_on(task).unwrap()
        });
        assert_eq!(call.await.unwrap(), Duration::ZERO);
    });
}
