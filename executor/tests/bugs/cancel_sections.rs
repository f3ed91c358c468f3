//! The sections `# Cancel safety` of the public docs, each with its test.
//!
//! `index_every_section_on_cancel_safety_has_its_test` finds the sections in the sources.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::cancel_safety::HERE;
use crate::index::{Tests, workspace};

/// Each section: the file, the documented item, and its test.
const SECTIONS: &[(&str, &str, (&str, &str))] = &[
    (
        "executor/src/account/request.rs",
        "measure",
        (
            "executor/tests/account/measured.rs",
            "a_measurement_that_is_dropped_drops_its_request_and_leaves_the_children",
        ),
    ),
    (
        "executor/src/task/abort_on_drop.rs",
        "AbortOnDropHandle",
        (
            "executor/tests/task_scope/abort_on_drop.rs",
            "c108_a_handle_joins_and_detaches",
        ),
    ),
    (
        "executor/src/task/scope.rs",
        "scope",
        (
            "executor/tests/task_scope/dropped.rs",
            "c107_children_of_a_dropped_scope_are_dropped_in_their_frames",
        ),
    ),
    (
        "executor/src/task/scope.rs",
        "join_next",
        (
            "executor/tests/task_scope/policies.rs",
            "a_dropped_wait_for_the_next_child_loses_none",
        ),
    ),
    (
        "executor/src/task/scope/policies.rs",
        "results",
        (
            "executor/tests/task_scope/policies.rs",
            "a_dropped_wait_for_all_children_drops_the_outputs_so_far",
        ),
    ),
    (
        "executor/src/task/scope/policies.rs",
        "results_by_end",
        (
            "executor/tests/task_scope/policies.rs",
            "a_dropped_wait_for_all_children_drops_the_outputs_so_far",
        ),
    ),
    (
        "executor/src/task/scope/policies.rs",
        "try_join_all",
        (
            "executor/tests/task_scope/policies.rs",
            "a_dropped_wait_for_all_children_drops_the_outputs_so_far",
        ),
    ),
    (
        "executor/src/task/scope/policies.rs",
        "select_ok",
        (
            "executor/tests/task_scope/policies.rs",
            "a_dropped_wait_for_all_children_drops_the_outputs_so_far",
        ),
    ),
    (
        "context/src/cancel.rs",
        "cancelled",
        (
            "executor/tests/deadlines/cancels.rs",
            "c48_a_dropped_wait_for_the_end_leaves_nothing",
        ),
    ),
    (
        "context/src/cancel.rs",
        "enforce",
        (
            "executor/tests/deadlines/cancels.rs",
            "c48_a_dropped_wait_for_the_end_leaves_nothing",
        ),
    ),
    (
        "timers/src/deadline.rs",
        "within",
        (
            "timers/tests/deadline.rs",
            "a_dropped_deadline_drops_its_future_and_its_timer",
        ),
    ),
    (
        "timers/src/deadline.rs",
        "at",
        (
            "timers/tests/deadline.rs",
            "a_dropped_deadline_drops_its_future_and_its_timer",
        ),
    ),
    (
        "executor/src/stdio.rs",
        "read",
        (
            "executor/tests/stdio.rs",
            "c48_a_dropped_read_loses_nothing_and_keeps_no_frame",
        ),
    ),
    (
        "executor/src/stdio.rs",
        "write",
        (
            "executor/tests/stdio.rs",
            "what_was_accepted_is_written_although_the_runtime_ends",
        ),
    ),
    (
        "executor/src/stdio.rs",
        "write_all",
        (
            "executor/tests/stdio.rs",
            "a_dropped_write_all_has_written_some",
        ),
    ),
    (
        "executor/src/stdio.rs",
        "flush",
        (
            "executor/tests/stdio.rs",
            "what_was_accepted_is_written_although_the_runtime_ends",
        ),
    ),
    (
        "executor/src/fs/file.rs",
        "into_std",
        (
            "executor/tests/fs/orders.rs",
            "a_dropped_conversion_closes_the_file",
        ),
    ),
    (
        "executor/src/fs/file.rs",
        "read",
        (
            "executor/tests/fs/buffers.rs",
            "a_dropped_read_loses_nothing",
        ),
    ),
    (
        "executor/src/fs/file.rs",
        "read_to_end",
        (
            "executor/tests/fs/buffers.rs",
            "a_dropped_read_to_end_has_what_was_read",
        ),
    ),
    (
        "executor/src/fs/file.rs",
        "read_to_string",
        (
            "executor/tests/fs/buffers.rs",
            "a_dropped_read_to_end_has_what_was_read",
        ),
    ),
    (
        "executor/src/fs/file.rs",
        "write",
        (
            "executor/tests/fs/orders.rs",
            "a_write_is_accepted_before_it_is_done",
        ),
    ),
    (
        "executor/src/fs/file.rs",
        "write_all",
        (
            "executor/tests/fs/orders.rs",
            "a_dropped_write_all_has_written_some",
        ),
    ),
    (
        "executor/src/fs/file.rs",
        "flush",
        (
            "executor/tests/fs/orders.rs",
            "a_write_is_accepted_before_it_is_done",
        ),
    ),
    (
        "executor/src/fs/file.rs",
        "seek",
        (
            "executor/tests/fs/orders.rs",
            "a_dropped_seek_may_have_moved_the_position",
        ),
    ),
    (
        "executor/src/fs/directory.rs",
        "next_entry",
        (
            "executor/tests/fs/directories.rs",
            "a_dropped_wait_for_an_entry_loses_none",
        ),
    ),
    (
        "executor/src/process/child.rs",
        "kill",
        (
            "executor/tests/process/children.rs",
            "a_dropped_wait_loses_no_status",
        ),
    ),
    (
        "executor/src/process/child.rs",
        "wait",
        (
            "executor/tests/process/children.rs",
            "a_dropped_wait_loses_no_status",
        ),
    ),
    (
        "executor/src/process/child.rs",
        "wait_with_output",
        (
            "executor/tests/process/children.rs",
            "a_dropped_wait_for_output_drops_the_child",
        ),
    ),
    (
        "executor/src/process/command.rs",
        "status",
        (
            "executor/tests/process/children.rs",
            "a_dropped_wait_for_output_drops_the_child",
        ),
    ),
    (
        "executor/src/process/command.rs",
        "output",
        (
            "executor/tests/process/children.rs",
            "a_dropped_wait_for_output_drops_the_child",
        ),
    ),
    (
        "executor/src/serve/server.rs",
        "Serve",
        (
            "executor/tests/http/shutdown.rs",
            "a_dropped_server_closes_its_listener_and_lets_requests_finish",
        ),
    ),
    (
        "executor/src/signal/mod.rs",
        "ctrl_c",
        (
            "executor/tests/signals.rs",
            "ctrl_c_is_sigint_from_the_first_poll_on",
        ),
    ),
    (
        "executor/src/signal/unix.rs",
        "recv",
        ("executor/tests/signals.rs", "a_dropped_recv_loses_nothing"),
    ),
    (
        "context/src/coop.rs",
        "consume_budget",
        (HERE, "a_dropped_wait_for_the_budget_loses_nothing"),
    ),
    (
        "context/src/coop/wrappers.rs",
        "coop",
        (HERE, "a_dropped_wait_for_the_budget_loses_nothing"),
    ),
    (
        "context/src/coop/wrappers.rs",
        "unconstrained",
        (HERE, "a_dropped_wait_for_the_budget_loses_nothing"),
    ),
    (
        "executor/src/task/join.rs",
        "JoinHandle",
        (
            "executor/tests/join/handles.rs",
            "a_dropped_joiner_lets_its_waker_go_and_the_task_run_on",
        ),
    ),
    (
        "executor/src/task/local.rs",
        "run_until",
        (
            HERE,
            "a_dropped_run_until_drops_its_future_and_keeps_the_tasks",
        ),
    ),
    (
        "executor/src/task/yield_now.rs",
        "yield_now",
        (HERE, "a_dropped_yield_leaves_the_task_as_it_was"),
    ),
    (
        "executor/src/test/preempt.rs",
        "preempt",
        (HERE, "a_dropped_point_of_a_seeded_run_loses_nothing"),
    ),
    (
        "executor/src/test/preempt.rs",
        "PreemptibleFuture",
        (HERE, "a_dropped_point_of_a_seeded_run_loses_nothing"),
    ),
    (
        "io/src/net/methods.rs",
        "read",
        (HERE, "a_dropped_read_or_peek_has_read_nothing"),
    ),
    (
        "io/src/net/methods.rs",
        "read_buf",
        (
            "io/tests/buffers.rs",
            "a_stream_that_is_not_readable_leaves_the_buffer_as_it_is",
        ),
    ),
    (
        "io/src/net/methods.rs",
        "read_vectored",
        (HERE, "a_dropped_read_or_peek_has_read_nothing"),
    ),
    (
        "io/src/net/methods.rs",
        "peek",
        (HERE, "a_dropped_read_or_peek_has_read_nothing"),
    ),
    (
        "io/src/net/methods.rs",
        "read_exact",
        (HERE, "a_dropped_read_exact_has_taken_what_was_there"),
    ),
    (
        "io/src/net/methods.rs",
        "write",
        (HERE, "a_dropped_write_has_written_nothing"),
    ),
    (
        "io/src/net/methods.rs",
        "write_vectored",
        (HERE, "a_dropped_write_has_written_nothing"),
    ),
    (
        "io/src/net/methods.rs",
        "write_all",
        (HERE, "a_dropped_write_all_has_written_some"),
    ),
    (
        "io/src/net/methods.rs",
        "ready",
        (HERE, "a_dropped_wait_for_readiness_consumes_none"),
    ),
    (
        "io/src/net/methods.rs",
        "readable",
        (HERE, "a_dropped_wait_for_readiness_consumes_none"),
    ),
    (
        "io/src/net/methods.rs",
        "writable",
        (HERE, "a_dropped_wait_for_readiness_consumes_none"),
    ),
    (
        "io/src/net/methods.rs",
        "async_io",
        ("io/tests/udp.rs", "a_dropped_receive_has_received_nothing"),
    ),
    (
        "io/src/net/datagram.rs",
        "recv",
        ("io/tests/udp.rs", "a_dropped_receive_has_received_nothing"),
    ),
    (
        "io/src/net/datagram.rs",
        "recv_buf",
        (
            "io/tests/buffers.rs",
            "a_datagram_of_a_unix_socket_is_received_with_its_sender",
        ),
    ),
    (
        "io/src/net/datagram.rs",
        "recv_buf_from",
        (
            "io/tests/buffers.rs",
            "a_datagram_of_a_unix_socket_is_received_with_its_sender",
        ),
    ),
    (
        "io/src/net/datagram.rs",
        "send",
        ("io/tests/unix.rs", "a_dropped_send_has_sent_nothing"),
    ),
    (
        "io/src/net/udp.rs",
        "peek",
        ("io/tests/udp.rs", "a_dropped_receive_has_received_nothing"),
    ),
    (
        "io/src/net/udp.rs",
        "peek_from",
        ("io/tests/udp.rs", "a_dropped_receive_has_received_nothing"),
    ),
    (
        "io/src/net/udp.rs",
        "peek_sender",
        ("io/tests/udp.rs", "a_dropped_receive_has_received_nothing"),
    ),
    (
        "io/src/net/udp.rs",
        "recv_from",
        ("io/tests/udp.rs", "a_dropped_receive_has_received_nothing"),
    ),
    (
        "io/src/net/udp.rs",
        "bind",
        (
            "io/tests/udp.rs",
            "a_dropped_future_has_bound_connected_and_sent_nothing",
        ),
    ),
    (
        "io/src/net/udp.rs",
        "connect",
        (
            "io/tests/udp.rs",
            "a_dropped_future_has_bound_connected_and_sent_nothing",
        ),
    ),
    (
        "io/src/net/udp.rs",
        "send_to",
        (
            "io/tests/udp.rs",
            "a_dropped_future_has_bound_connected_and_sent_nothing",
        ),
    ),
    (
        "io/src/net/tcp_socket.rs",
        "connect",
        (
            "io/tests/tcp_socket.rs",
            "a_dropped_connect_closes_its_socket",
        ),
    ),
    (
        "io/src/net/unix/datagram.rs",
        "recv_from",
        (
            "io/tests/unix.rs",
            "a_dropped_receive_or_accept_has_taken_nothing",
        ),
    ),
    (
        "io/src/net/unix/datagram.rs",
        "send_to",
        ("io/tests/unix.rs", "a_dropped_send_has_sent_nothing"),
    ),
    (
        "io/src/net/unix/listener.rs",
        "accept",
        (
            "io/tests/unix.rs",
            "a_dropped_receive_or_accept_has_taken_nothing",
        ),
    ),
    (
        "io/src/net/unix/socket.rs",
        "connect",
        (
            "io/tests/unix_socket.rs",
            "a_dropped_connect_closes_its_socket",
        ),
    ),
    (
        "io/src/net/unix/stream.rs",
        "connect",
        ("io/tests/unix.rs", "a_dropped_connect_closes_its_socket"),
    ),
    (
        "io/src/net/unix/stream.rs",
        "connect_addr",
        ("io/tests/unix.rs", "a_dropped_connect_closes_its_socket"),
    ),
    (
        "io/src/async_fd/waits.rs",
        "ready",
        (
            "io/tests/async_fd/main.rs",
            "a_wait_that_is_dropped_with_its_descriptor_leaves_nothing",
        ),
    ),
    (
        "io/src/async_fd/waits.rs",
        "ready_mut",
        (
            "io/tests/async_fd/main.rs",
            "a_wait_that_is_dropped_with_its_descriptor_leaves_nothing",
        ),
    ),
    (
        "io/src/async_fd/waits.rs",
        "readable",
        (
            "io/tests/async_fd/main.rs",
            "a_wait_that_is_dropped_with_its_descriptor_leaves_nothing",
        ),
    ),
    (
        "io/src/async_fd/waits.rs",
        "readable_mut",
        (
            "io/tests/async_fd/main.rs",
            "a_wait_that_is_dropped_with_its_descriptor_leaves_nothing",
        ),
    ),
    (
        "io/src/async_fd/waits.rs",
        "writable",
        (
            "io/tests/async_fd/main.rs",
            "a_wait_that_is_dropped_with_its_descriptor_leaves_nothing",
        ),
    ),
    (
        "io/src/async_fd/waits.rs",
        "writable_mut",
        (
            "io/tests/async_fd/main.rs",
            "a_wait_that_is_dropped_with_its_descriptor_leaves_nothing",
        ),
    ),
    (
        "io/src/async_fd/waits.rs",
        "async_io",
        (
            "io/tests/async_fd/main.rs",
            "a_wait_that_is_dropped_with_its_descriptor_leaves_nothing",
        ),
    ),
    (
        "io/src/async_fd/waits.rs",
        "async_io_mut",
        (
            "io/tests/async_fd/main.rs",
            "a_wait_that_is_dropped_with_its_descriptor_leaves_nothing",
        ),
    ),
    (
        "executor/src/task/join_set.rs",
        "join_next",
        (
            "executor/tests/join_set/waits.rs",
            "a_dropped_wait_loses_no_output",
        ),
    ),
    (
        "executor/src/task/join_set.rs",
        "join_next_with_id",
        (
            "executor/tests/join_set/waits.rs",
            "a_dropped_wait_loses_no_output",
        ),
    ),
    (
        "executor/src/task/join_set.rs",
        "shutdown",
        (
            "executor/tests/join_set/waits.rs",
            "a_dropped_shutdown_leaves_the_aborted_tasks_in_the_set",
        ),
    ),
    (
        "executor/src/task/join_set.rs",
        "join_all",
        (
            "executor/tests/join_set/waits.rs",
            "a_dropped_join_all_drops_the_set",
        ),
    ),
    (
        "io/src/net/listener.rs",
        "bind",
        (HERE, "a_dropped_bind_leaves_the_address_free"),
    ),
    (
        "io/src/net/listener.rs",
        "accept",
        (HERE, "a_dropped_accept_has_accepted_nothing"),
    ),
    (
        "io/src/net/addr.rs",
        "lookup_host",
        (HERE, "a_dropped_look_up_goes_on_and_others_are_served"),
    ),
    (
        "io/src/net/stream.rs",
        "connect",
        (HERE, "a_dropped_connect_closes_its_socket"),
    ),
    (
        "io/src/registration.rs",
        "AsyncIo",
        (HERE, "a_dropped_read_or_peek_has_read_nothing"),
    ),
    (
        "io/src/scheduled_io/wait.rs",
        "ReadinessWait",
        (
            "loom-tests/tests/readiness/waiters.rs",
            "a_dropped_waiter_takes_no_event_along",
        ),
    ),
    (
        "timers/src/interval.rs",
        "tick",
        ("timers/tests/futures.rs", "dropping_a_tick_loses_none"),
    ),
    (
        "timers/src/sleep.rs",
        "sleep",
        (
            "timers/tests/sleep.rs",
            "a_dropped_sleep_leaves_nothing_behind",
        ),
    ),
    (
        "timers/src/sleep.rs",
        "sleep_until",
        (
            "timers/tests/sleep.rs",
            "a_dropped_sleep_leaves_nothing_behind",
        ),
    ),
    (
        "timers/src/test_clock.rs",
        "advance",
        (
            "timers/tests/test_clock.rs",
            "advance_has_moved_the_time_after_its_first_poll",
        ),
    ),
    (
        "timers/src/timeout.rs",
        "timeout",
        (HERE, "a_dropped_timeout_drops_its_future"),
    ),
    (
        "timers/src/timeout.rs",
        "timeout_at",
        (HERE, "a_dropped_timeout_drops_its_future"),
    ),
];

/// Returns the item that the docs above `lines` belong to: the next function or type.
fn item(lines: &[&str]) -> String {
    let declaration = lines
        .iter()
        .map(|line| line.trim_start())
        .find(|line| {
            let is_docs = line.starts_with("//") || line.starts_with('#') || line.is_empty();
            !is_docs && (line.contains("fn ") || line.contains("struct "))
        })
        .expect("docs stand on an item");
    let keyword = if declaration.contains("fn ") {
        "fn "
    } else {
        "struct "
    };
    let name = declaration.split(keyword).nth(1).unwrap_or_default();
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
    name[..end.unwrap_or(name.len())].to_owned()
}

fn sections_in(directory: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sections_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let lines: Vec<_> = source.lines().collect();
            for (index, line) in lines.iter().enumerate() {
                if line.trim_start() == "/// # Cancel safety" {
                    let file = path.strip_prefix(workspace()).unwrap();
                    let file = file.to_string_lossy().replace('\\', "/");
                    let is_new = found.insert((file, item(&lines[index + 1..])));
                    assert!(is_new, "{}: two of one name", path.display());
                }
            }
        }
    }
}

#[test]
fn index_every_section_on_cancel_safety_has_its_test() {
    let mut found = BTreeSet::new();
    for package in ["sync", "context", "timers", "io", "macros", "executor"] {
        sections_in(&workspace().join(package).join("src"), &mut found);
    }
    let listed: BTreeSet<_> = SECTIONS
        .iter()
        .map(|(file, item, _)| ((*file).to_owned(), (*item).to_owned()))
        .collect();
    assert_eq!(found, listed);
    let mut tests = Tests::default();
    for (file, item, (test_file, test)) in SECTIONS {
        assert!(
            tests.has(test_file, test),
            "{file}, {item}: {test} is not in {test_file}"
        );
    }
    let line = format!(
        "cancel safety: {} sections, each with its test\n",
        found.len()
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
