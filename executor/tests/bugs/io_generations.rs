//! I/O generations: the known readiness of a socket is older than its last event.

use std::future::{Future, poll_fn};
use std::io::Read;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use framewise::spawn;
use framewise::task::yield_now;

use crate::{Bug, Class, Here, connection};
use framewise_test_support::{runtime, with_workers};

pub(crate) const CLASS: Class = Class {
    name: "I/O generations",
    bugs: &[
        Bug {
            id: "tokio 6133",
            story: "The driver's tick distinguished new readiness from old, but only its low bits \
                    were kept. After a wrap, an operation cleared an event that it had not seen, \
                    and the edge was lost.",
            here: Here::Tests(&[
                (
                    "loom-tests/tests/readiness/word.rs",
                    "clear_never_erases_a_newer_event",
                ),
                (
                    "loom-tests/tests/readiness/word.rs",
                    "clear_never_erases_a_newer_event_when_the_tick_wraps",
                ),
                (
                    "loom-tests/tests/readiness/word.rs",
                    "negative_clear_by_a_tick_observed_too_late",
                ),
                (
                    "io/src/scheduled_io/readiness/tests.rs",
                    "clear_after_a_newer_event_does_nothing",
                ),
            ]),
        },
        Bug {
            id: "tokio 8331",
            story: "The tick had fifteen bits in the state word and eight in the snapshot that \
                    operations carry, so after 256 events an old snapshot looked like a new one.",
            here: Here::Tests(&[
                (
                    "io/src/scheduled_io/readiness/tests.rs",
                    "a_snapshot_is_old_after_any_number_of_events",
                ),
                (
                    "io/src/scheduled_io/readiness/tests.rs",
                    "the_tick_wraps_into_nothing_else",
                ),
            ]),
        },
        Bug {
            id: "tokio 8054",
            story: "Both directions share the tick. While write events keep arriving, a reader can \
                    never clear its readiness: it is woken, finds that it would block, and is \
                    woken again.",
            here: Here::Tests(&[
                ("loom-tests/tests/readiness/waiters.rs", "both_directions"),
                (
                    "executor/tests/bugs/io_generations.rs",
                    "events_of_the_other_direction_wake_a_reader_only_while_they_come",
                ),
            ]),
        },
    ],
};

/// tokio 8054: in framewise both directions share a tick, too. While a flood is written to a
/// stream, which causes many events, a reader of the same stream may be woken, but not after the
/// flood has ended.
#[test]
fn events_of_the_other_direction_wake_a_reader_only_while_they_come() {
    const FLOOD: usize = 8 << 20;

    with_workers(|workers| {
        let runtime = runtime(workers);
        let (stream, mut peer) = runtime.block_on(connection());
        let stream = Arc::new(stream);
        let polls = Arc::new(AtomicUsize::new(0));
        let reader = runtime.spawn({
            let (stream, polls) = (Arc::clone(&stream), Arc::clone(&polls));
            async move {
                let mut byte = [0];
                let mut read = pin!(stream.read(&mut byte));
                poll_fn(|cx| {
                    polls.fetch_add(1, Ordering::SeqCst);
                    read.as_mut().poll(cx)
                })
                .await
                .unwrap()
            }
        });
        let writer = runtime.spawn(async move {
            let piece = [7; 4096];
            for _ in 0..FLOOD / piece.len() {
                stream.write_all(&piece).await.unwrap();
            }
            stream
        });
        let mut drained = vec![0; FLOOD];
        peer.read_exact(&mut drained).unwrap();
        let stream = runtime.block_on(writer).unwrap();

        // Quiet: the number of polls does not change during a thousand turns of other tasks.
        let quiet = || {
            let before = polls.load(Ordering::SeqCst);
            let turns = async {
                for _ in 0..1_000 {
                    spawn(yield_now()).await.unwrap();
                }
            };
            runtime.block_on(runtime.spawn(turns)).unwrap();
            polls.load(Ordering::SeqCst) == before
        };
        while !quiet() {}
        assert!(!reader.is_finished());
        std::io::Write::write_all(&mut peer, b"x").unwrap();
        assert_eq!(runtime.block_on(reader).unwrap(), 1);
        drop(stream);
    });
}
