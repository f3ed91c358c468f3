//! Descriptors: reused numbers, duplicates that keep a registration alive, and files that epoll
//! does not accept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use framewise::net::{TcpListener, TcpStream};
use framewise::spawn;

use crate::{Bug, Class, Here, connection};
use framewise_test_support::with_workers;

pub(crate) const CLASS: Class = Class {
    name: "descriptors",
    bugs: &[
        Bug {
            id: "tokio 7563",
            story: crate::UNREAD,
            here: Here::Tests(&[
                (
                    "io/tests/descriptors.rs",
                    "descriptors_are_used_again_under_load",
                ),
                (
                    "executor/tests/bugs/descriptors.rs",
                    "closed_and_reopened_connections_never_see_each_others_bytes",
                ),
            ]),
        },
        Bug {
            id: "tokio 7773",
            story: crate::UNREAD,
            here: Here::Tests(&[
                (
                    "io/tests/descriptors.rs",
                    "a_stream_is_registered_again_after_into_std",
                ),
                (
                    "loom-tests/tests/readiness/sources.rs",
                    "a_late_event_of_a_reused_slot_finds_no_waiter",
                ),
                (
                    "loom-tests/tests/readiness/sources.rs",
                    "negative_a_slot_reused_without_generations",
                ),
            ]),
        },
        Bug {
            id: "tokio 8540",
            story: "(We have not read the report; it is listed for descriptors with duplicates.) A \
                    duplicate keeps a closed descriptor's registration alive in epoll, so events \
                    arrive for the closed source, and for the next owner of its number.",
            here: Here::Tests(&[
                (
                    "io/tests/descriptors.rs",
                    "a_duplicate_that_outlives_its_stream_wakes_no_task",
                ),
                (
                    "io/tests/descriptors.rs",
                    "a_duplicate_may_be_registered_beside_its_stream",
                ),
            ]),
        },
        Bug {
            id: "tokio 3103",
            story: "Releasing the socket did not remove it from epoll, so registering it again \
                    failed because it was already registered.",
            here: Here::Tests(&[
                (
                    "io/tests/descriptors.rs",
                    "a_stream_is_registered_again_after_into_std",
                ),
                (
                    "io/tests/descriptors.rs",
                    "a_descriptor_that_epoll_rejects_is_an_error",
                ),
            ]),
        },
        Bug {
            id: "tokio 4549",
            story: "A socket that is neither connected nor listening hangs up at once, and the \
                    hang-up is never cleared, so waiting for it was an endless loop. Our sockets \
                    are always connected or listening; a hang-up ends the current read and every \
                    later one.",
            here: Here::Tests(&[
                (
                    "io/tests/tcp/connections.rs",
                    "the_end_is_read_after_what_was_sent_before_it",
                ),
                (
                    "io/src/scheduled_io/readiness/tests.rs",
                    "clear_takes_one_direction_and_leaves_what_is_closed",
                ),
                (
                    "executor/tests/bugs/descriptors.rs",
                    "a_stream_that_has_hung_up_ends_each_read_and_starves_no_task",
                ),
            ]),
        },
    ],
};

/// Streams are opened and closed on all workers while other reads are in progress, so that numbers
/// are reused at once: each stream reads only its own bytes and its own end.
#[test]
fn closed_and_reopened_connections_never_see_each_others_bytes() {
    with_workers(|workers| {
        let runtime = framewise_test_support::runtime(workers);
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    drop(spawn(async move {
                        let mut message = [0; 4];
                        while stream.read_exact(&mut message).await.is_ok() {
                            let _ = stream.write_all(&message).await;
                        }
                    }));
                }
            });
            let clients: Vec<_> = (0..6_u32)
                .map(|client| {
                    spawn(async move {
                        for round in 0..60 {
                            let stream = Arc::new(TcpStream::connect(address).await.unwrap());
                            let message = (client * 1_000 + round).to_le_bytes();
                            stream.write_all(&message).await.unwrap();
                            if round % 3 == 0 {
                                // Closed while a task waits for it: the abort closes the stream.
                                let waiting = Arc::clone(&stream);
                                let read = spawn(async move { waiting.readable().await });
                                drop(stream);
                                read.abort();
                                continue;
                            }
                            let mut answer = [0; 4];
                            stream.read_exact(&mut answer).await.unwrap();
                            assert_eq!(answer, message);
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            server.abort();
        });
    });
}

/// tokio 4549: a closed peer makes a stream ready forever. Each read returns the end at once, and
/// the tasks beside such a reader make progress.
#[test]
fn a_stream_that_has_hung_up_ends_each_read_and_starves_no_task() {
    with_workers(|workers| {
        let runtime = framewise_test_support::runtime(workers);
        let (stream, peer) = runtime.block_on(connection());
        drop(peer);
        let reads = Arc::new(AtomicUsize::new(0));
        let reader = runtime.spawn({
            let reads = Arc::clone(&reads);
            async move {
                loop {
                    stream.readable().await.unwrap();
                    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        runtime.block_on(async {
            for _ in 0..100 {
                spawn(framewise::task::yield_now()).await.unwrap();
            }
        });
        while reads.load(Ordering::Relaxed) < 1_000 {
            std::thread::yield_now();
        }
        reader.abort();
    });
}
