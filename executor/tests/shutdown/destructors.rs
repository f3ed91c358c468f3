//! Destructors that wait, join or write while the shutdown runs them. [`waits`](crate::waits) has
//! the table.

use std::future::pending;
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use framewise::JoinHandle;
use framewise::net::TcpStream;
use framewise::runtime::{Builder, Handle};
use framewise::task::block_in_place;
use framewise::time::sleep;
use framewise_test_support::on_drop;

use crate::HANG;
use crate::waits::{HOWS, block};

/// The code of the bug report, verbatim.
#[test]
fn a_destructor_that_sleeps_in_block_on_ends_and_says_why() {
    for (workers, in_place) in [(1, false), (2, false), (1, true), (2, true)] {
        let (reported, reports) = mpsc::channel();
        let runtime = Builder::new()
            .worker_threads(workers)
            .on_unhandled_panic(move |error| reported.send(error.to_string()).unwrap())
            .build()
            .unwrap();
        let sleeps = || Handle::current().block_on(sleep(Duration::from_millis(20)));
        let value = on_drop(move || match in_place {
            false => sleeps(),
            true => block_in_place(sleeps),
        });
        drop(runtime.spawn(async move {
            let _value = value;
            pending::<()>().await;
        }));
        let (dropped, is_dropped) = mpsc::channel();
        thread::spawn(move || {
            drop(runtime);
            dropped.send(()).unwrap();
        });
        is_dropped.recv_timeout(HANG).expect("the drop hangs");
        let report = reports.try_recv().unwrap();
        assert!(report.contains("was shut down"), "{report}");
    }
}

/// A task that is aborted in its last poll completes with its output, which a destructor can join
/// at the shutdown.
#[test]
fn a_destructor_gets_the_output_of_a_task_that_was_aborted_too_late() {
    let runtime = framewise_test_support::runtime(1);
    let (polled, is_polled) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let finished = runtime.spawn(async move {
        polled.send(()).unwrap();
        released.recv().unwrap();
        5
    });
    is_polled.recv().unwrap();
    finished.abort();
    release.send(()).unwrap();
    while !finished.is_finished() {
        thread::yield_now();
    }
    let (result, results) = mpsc::channel();
    let finished = Mutex::new(Some(finished));
    let value = on_drop(move || {
        let finished = finished.lock().unwrap().take().unwrap();
        let joined = Handle::current().block_on(finished);
        result.send(joined.unwrap()).unwrap();
    });
    drop(runtime.spawn(async move {
        let _value = value;
        pending::<()>().await;
    }));
    drop(runtime);
    assert_eq!(results.try_recv(), Ok(5));
}

/// A destructor may do at the shutdown everything that does not wait.
#[test]
fn a_destructor_may_write_to_its_socket_and_join_what_is_finished() {
    use std::io::Read;

    for workers in [1, 2] {
        let runtime = framewise_test_support::runtime(workers);
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (result, results) = mpsc::channel();
        let finished = runtime.spawn(async { 5 });
        while !finished.is_finished() {
            thread::yield_now();
        }
        let stream = runtime.block_on(TcpStream::connect(address)).unwrap();
        runtime.block_on(stream.writable()).unwrap();
        let finished = Mutex::new(Some(finished));
        let value = on_drop(move || {
            let wrote = stream.try_write(b"bye").unwrap();
            let finished = finished.lock().unwrap().take().unwrap();
            let joined = Handle::current().block_on(finished).unwrap();
            result.send((wrote, joined)).unwrap();
        });
        drop(runtime.spawn(async move {
            let _value = value;
            pending::<()>().await;
        }));
        drop(runtime);
        assert_eq!(results.try_recv(), Ok((3, 5)));
        let mut said = String::new();
        let (mut peer, _) = listener.accept().unwrap();
        peer.read_to_string(&mut said).unwrap();
        assert_eq!(said, "bye");
    }
}

/// Two destructors that wait for each other's tasks.
#[test]
fn destructors_that_join_each_others_tasks_end() {
    for (workers, how) in [1, 2]
        .into_iter()
        .flat_map(|workers| HOWS.map(|how| (workers, how)))
    {
        let runtime = framewise_test_support::runtime(workers);
        let slots: [Arc<Mutex<Option<JoinHandle<()>>>>; 2] = Default::default();
        let (result, results) = mpsc::channel();
        for number in 0..2 {
            let (slot, result) = (Arc::clone(&slots[1 - number]), result.clone());
            let handle = runtime.handle().clone();
            let value = on_drop(move || {
                let joined = slot.lock().unwrap().take().unwrap();
                let joined = block(how, &handle, joined);
                result
                    .send(joined.map_err(|error| error.is_cancelled()))
                    .unwrap();
            });
            let task = runtime.spawn(async move {
                let _value = value;
                pending::<()>().await;
            });
            *slots[number].lock().unwrap() = Some(task);
        }
        let (dropped, is_dropped) = mpsc::channel();
        thread::spawn(move || {
            drop(runtime);
            dropped.send(()).unwrap();
        });
        is_dropped.recv_timeout(HANG).expect("the drop hangs");
        drop(result);
        let results: Vec<_> = results.iter().collect();
        assert_eq!(results, [Err(true); 2], "{workers} workers, {how:?}");
    }
}
