//! Timers and sockets, which the thread that is in `block_on` drives.

use std::future::pending;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use framewise::net::{Interest, TcpListener, TcpStream, lookup_host};
use framewise::spawn;
use framewise::task::yield_now;
use framewise::time::{interval, set_timeout, sleep, timeout};
use framewise_test_support::HangWatch;
use tokio::sync::oneshot;

use crate::runtime;

const MS: Duration = Duration::from_millis(1);

#[test]
fn timers_fire_in_the_main_future_and_in_tasks() {
    let _watch = HangWatch::new("timers");
    let runtime = runtime();
    runtime.block_on(async {
        let before = Instant::now();
        sleep(5 * MS).await;
        assert!(before.elapsed() >= 5 * MS);
        spawn(sleep(MS)).await.unwrap();
        assert!(timeout(MS, pending::<()>()).await.is_err());
        let mut ticks = interval(MS);
        for _ in 0..5 {
            ticks.tick().await;
        }
        let (called, is_called) = oneshot::channel();
        let here = thread::current().id();
        drop(set_timeout(MS, move || {
            called.send(thread::current().id()).unwrap();
        }));
        assert_eq!(is_called.await.unwrap(), here);
    });
}

/// Code that tries, yields and tries again relies on that.
#[cfg(unix)]
#[test]
fn the_driver_has_its_turn_while_the_main_future_yields() {
    runtime().block_on(async {
        let (stream, peer) = framewise::net::UnixStream::pair().unwrap();
        let mut buffer = [0; 2];
        assert!(stream.try_read(&mut buffer).is_err());
        for _ in 0..3 {
            assert_eq!(peer.try_write(b"a").unwrap(), 1);
            yield_now().await;
            assert_eq!(stream.try_read(&mut buffer).unwrap(), 1);
            assert!(stream.try_read(&mut buffer).is_err());
        }
    });
}

/// A timer that is armed on another thread ends the park of the driving one in time, and a timer
/// that was due while no thread drove fires at once.
#[test]
fn timers_of_other_threads_and_of_the_time_between_are_fired() {
    let _watch = HangWatch::new("timers of other threads");
    let runtime = runtime();
    let between = {
        let _entered = runtime.enter();
        Box::pin(sleep(MS))
    };
    let handle = runtime.handle().clone();
    let (parks, is_parking) = mpsc::channel();
    let other = thread::spawn(move || {
        is_parking.recv().unwrap();
        handle.block_on(sleep(MS));
    });
    let joined = runtime.spawn_blocking(move || other.join().unwrap());
    runtime.block_on(async {
        between.await;
        parks.send(()).unwrap();
        joined.await.unwrap();
    });
}

#[test]
fn sockets_work_on_the_driving_thread() {
    let _watch = HangWatch::new("sockets");
    let runtime = runtime();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 16];
            loop {
                let count = stream.read(&mut buffer).await.unwrap();
                if count == 0 {
                    break;
                }
                stream.write_all(&buffer[..count]).await.unwrap();
            }
        });
        let client = TcpStream::connect(address).await.unwrap();
        for _ in 0..100 {
            client.write_all(b"hello").await.unwrap();
            let mut buffer = [0; 16];
            let count = client.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..count], b"hello");
        }
        drop(client);
        server.await.unwrap();
        let mut found = lookup_host("127.0.0.1:80").await.unwrap();
        assert!(found.next().is_some());
    });
}

/// Events of another thread's peer end the park, and call readiness callbacks.
#[test]
fn events_end_the_park() {
    let _watch = HangWatch::new("events");
    let runtime = runtime();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        for _ in 0..50 {
            stream.write_all(&[7]).unwrap();
            stream.read_exact(&mut byte).unwrap();
        }
    });
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (ready, mut readies) = tokio::sync::mpsc::unbounded_channel();
        let callback = stream.on_ready(Interest::READABLE, move |_| {
            let _ = ready.send(thread::current().id());
        });
        for _ in 0..50 {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
            stream.write_all(&byte).await.unwrap();
        }
        assert_eq!(readies.recv().await, Some(thread::current().id()));
        drop(callback);
    });
    peer.join().unwrap();
}

/// Neither tasks nor a main future that are always ready keep timers and events from their turn.
#[test]
fn busy_code_does_not_starve_the_driver() {
    let _watch = HangWatch::new("a busy thread");
    let runtime = runtime();
    // A main future that yields until a timer has fired.
    runtime.block_on(async {
        let timer = spawn(sleep(MS));
        while !timer.is_finished() {
            yield_now().await;
        }
    });
    // A task that yields, while the main future waits for a timer.
    runtime.block_on(async {
        let busy = spawn(async {
            loop {
                yield_now().await;
            }
        });
        sleep(MS).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (&peer).write_all(b"x").unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
        busy.abort();
    });
}
