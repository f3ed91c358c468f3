//! A task whose socket is always ready does not keep its worker from anybody
//! (starvation: tokio 4730, 5686).

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use framewise::net::TcpStream;
use framewise::runtime::Builder;
use framewise::time;

/// Without a budget the test does not end: `peek` leaves the data where it is, so every call is
/// ready, and the one worker has no turn for the timer.
#[test]
fn a_socket_that_is_always_ready_does_not_starve_timers() {
    let runtime = Builder::new().worker_threads(1).build().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"always here").unwrap();

        let over = Arc::new(AtomicBool::new(false));
        let busy = framewise::spawn({
            let over = Arc::clone(&over);
            async move {
                let mut peeked = 0_u64;
                while !over.load(Ordering::Relaxed) {
                    assert!(stream.peek(&mut [0; 4]).await.unwrap() > 0);
                    peeked += 1;
                }
                peeked
            }
        });
        framewise::spawn(async move {
            time::sleep(Duration::from_millis(2)).await;
            over.store(true, Ordering::Relaxed);
        })
        .await
        .unwrap();
        assert!(busy.await.unwrap() > 0);
    });
}

/// A future on a nested executor has no task that could yield; it must go on all the same.
#[test]
fn the_budget_of_a_nested_executor_does_not_run_out() {
    let runtime = Builder::new().worker_threads(1).build().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"always here").unwrap();
        stream.readable().await.unwrap();
        let peeked = framewise::spawn(async move {
            futures::executor::block_on(async {
                let mut peeked = 0;
                for _ in 0..1_000 {
                    peeked += usize::from(stream.peek(&mut [0; 4]).await.unwrap() > 0);
                }
                peeked
            })
        });
        assert_eq!(peeked.await.unwrap(), 1_000);
    });
}
