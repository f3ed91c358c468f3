//! The blocking pool: a call is in the queue, and no thread runs it.

use crate::{Bug, Class, Here};

pub(crate) const CLASS: Class = Class {
    name: "blocking pool",
    bugs: &[
        Bug {
            id: "tokio 8056",
            story: "A new, sharded queue for blocking calls made programs hang in spawn_blocking, \
                    even with a single shard; it was reverted.",
            here: Here::Tests(&[
                (
                    "executor/tests/blocking/threads.rs",
                    "a_call_that_races_the_end_of_an_idle_thread_is_made",
                ),
                (
                    "executor/tests/blocking/calls.rs",
                    "calls_from_many_threads_at_once_are_all_made",
                ),
                (
                    "executor/tests/blocking/threads.rs",
                    "an_idle_thread_ends_after_its_keep_alive_and_serves_until_then",
                ),
            ]),
        },
        Bug {
            id: "tokio 8406",
            story: "The system could not start a thread for a call. The pool left the call to its \
                    existing threads, but these were the runtime's workers, which never check the \
                    pool's queue.",
            here: Here::Tests(&[
                (
                    "executor/tests/blocking/no_thread.rs",
                    "a_call_is_refused_and_its_closure_dropped_in_its_frame",
                ),
                (
                    "executor/tests/blocking/no_thread.rs",
                    "a_call_waits_for_the_threads_that_there_are",
                ),
                (
                    "executor/tests/blocking/no_thread.rs",
                    "many_calls_at_once_are_all_rejected_and_none_waits_forever",
                ),
                (
                    "executor/tests/blocking/no_thread.rs",
                    "block_in_place_calls_where_it_is_and_look_ups_fail",
                ),
                (
                    "executor/tests/blocking/threads.rs",
                    "no_more_threads_are_started_than_the_limit_says_and_every_call_is_made",
                ),
            ]),
        },
    ],
};
