//! What obeys a deadline, and the tests of it: the source of the guide's table "What obeys".
//!
//! An operation is tested by rows, which [`Row::check`](crate::obeys::Row::check) takes, or by
//! tests of its own. The guide must have these operations, in this order, and no other; the rows
//! must be those of this suite, and no other.

use std::collections::BTreeSet;

use crate::{blocking, files, others, scopes, waits};

/// An operation, with the names of its rows, and tests of its own.
type Operation = (&'static str, &'static [&'static str], &'static [fn()]);

/// Each operation of the guide's table, in its words.
const TABLE: &[Operation] = &[
    (
        "sockets: read",
        &[
            "TcpStream::read",
            "TcpStream::read_vectored",
            "TcpStream::read_exact",
            "TcpStream::read_buf",
            "TcpStream::peek",
            "ReadHalf::read",
            "OwnedReadHalf::read",
            "UnixStream::read",
            "UnixDatagram::recv",
            "UnixDatagram::recv_from",
            "UdpSocket::recv",
            "UdpSocket::recv_from",
            "UdpSocket::recv_buf",
            "UdpSocket::peek",
            "UdpSocket::peek_from",
            "UdpSocket::peek_sender",
        ],
        &[],
    ),
    (
        "write",
        &[
            "TcpStream::write",
            "TcpStream::write_vectored",
            "TcpStream::write_all",
            "UnixDatagram::send",
        ],
        &[],
    ),
    (
        "accept",
        &["TcpListener::accept", "UnixListener::accept"],
        &[],
    ),
    ("connect", &["TcpStream::connect"], &[]),
    (
        "`readable`",
        &[
            "TcpStream::readable",
            "TcpStream::writable",
            "TcpStream::ready",
            "TcpListener::readable",
            "UdpSocket::readable",
        ],
        &[],
    ),
    ("`async_io`", &["TcpStream::async_io"], &[]),
    (
        "`AsyncFd`",
        &[
            "AsyncFd::readable",
            "AsyncFd::ready",
            "AsyncFd::ready_mut",
            "AsyncFd::poll_read_ready",
            "AsyncFd::async_io",
            "AsyncFd::async_io_mut",
        ],
        &[],
    ),
    (
        "pipes",
        &[
            "pipe::Receiver::read",
            "pipe::Sender::write",
            "ChildStdout::read",
        ],
        &[],
    ),
    ("`Child::wait`", &["Child::wait"], &[]),
    (
        "`ctrl_c`",
        &[],
        &[others::signals_end_a_result_and_wait_on_without_one],
    ),
    (
        "poll functions",
        &[
            "TcpStream::poll_read_ready",
            "TcpStream::poll_write_ready",
            "TcpStream::poll_peek",
            "TcpListener::poll_accept",
            "UdpSocket::poll_recv_ready",
            "UdpSocket::poll_recv_from",
        ],
        &[],
    ),
    (
        "and the I/O traits of tokio, futures and hyper",
        &[
            "tokio::io::AsyncRead",
            "tokio::io::AsyncWrite",
            "futures::io::AsyncRead",
            "futures::io::AsyncWrite",
            "hyper::rt::Read",
        ],
        &[],
    ),
    (
        "the body of a request behind `DeadlineLayer`: reading it",
        &["DeadlineBody"],
        &[],
    ),
    ("name look-up", &["lookup_host"], &[]),
    (
        "files",
        &[
            "fs::read",
            "fs::metadata",
            "File::open",
            "File::read",
            "File::seek",
            "File::metadata",
            "File::flush",
        ],
        &[files::c99_what_a_file_has_begun_is_finished_and_nothing_is_lost],
    ),
    ("directories", &["fs::read_dir"], &[]),
    ("standard streams", &["Stdout::flush"], &[]),
    (
        "`Signal::recv`",
        &[],
        &[others::signals_end_a_result_and_wait_on_without_one],
    ),
    (
        "`try_` functions",
        &[],
        &[others::what_does_not_wait_does_not_fail],
    ),
    (
        "flushing and shutting down a stream",
        &[],
        &[others::what_does_not_wait_does_not_fail],
    ),
    (
        "readiness callbacks",
        &[],
        &[others::what_does_not_wait_does_not_fail],
    ),
    (
        "awaiting a `JoinHandle`",
        &[],
        &[waits::c110_a_join_fails_and_the_task_runs_on],
    ),
    (
        "`JoinSet::join_next`",
        &[],
        &[waits::a_set_reports_the_end_once_and_keeps_its_tasks],
    ),
    (
        "`spawn_blocking`, in the queue",
        &[],
        &[blocking::c62_a_call_in_the_queue_is_dropped_in_its_frame_when_its_deadline_passes],
    ),
    (
        "`spawn_blocking`, running",
        &[],
        &[blocking::a_call_that_runs_is_not_ended_and_one_in_an_ended_frame_is_not_queued],
    ),
    (
        "`timeout`",
        &[],
        &[waits::c110_a_timeout_says_what_ended_it],
    ),
    (
        "`timeout_at`",
        &[],
        &[waits::c110_a_timeout_says_what_ended_it],
    ),
    (
        "`sleep`",
        &[],
        &[waits::c110_a_plain_sleep_and_a_tick_wait_on],
    ),
    (
        "`Interval::tick`",
        &[],
        &[waits::c110_a_plain_sleep_and_a_tick_wait_on],
    ),
    (
        "`spawn`",
        &[],
        &[waits::c110_a_task_is_spawned_and_its_operations_fail],
    ),
    (
        "`block_on`",
        &[],
        &[waits::c110_what_a_blocking_function_waits_for_obeys],
    ),
    (
        "`block_in_place`",
        &[],
        &[waits::c110_what_a_blocking_function_waits_for_obeys],
    ),
    ("locks", &[], &[waits::c110_what_knows_no_frames_waits_on]),
    (
        "channels",
        &[],
        &[waits::c110_what_knows_no_frames_waits_on],
    ),
    (
        "futures of other crates",
        &[],
        &[scopes::enforce_drops_a_future_that_knows_no_frames],
    ),
    (
        "`deadline::enforce`",
        &[],
        &[scopes::enforce_drops_a_future_that_knows_no_frames],
    ),
    (
        "a loop that computes",
        &[],
        &[scopes::the_clock_is_read_where_code_asks],
    ),
    (
        "`deadline::shield`",
        &[],
        &[scopes::c97_a_shield_is_for_its_future_alone],
    ),
];

/// The files of this suite that check rows.
const SOURCES: [&str; 3] = [
    include_str!("files.rs"),
    include_str!("others.rs"),
    include_str!("sockets.rs"),
];

/// Returns the names of all rows in the table.
fn rows() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|(_, rows, _)| *rows).copied()
}

/// Checks that a row is in the table: so the guide has its operation.
pub(crate) fn assert_has(name: &str) {
    assert!(rows().any(|row| row == name), "`{name}` is not in `TABLE`");
}

/// Returns the first column of the guide's table.
fn operations_of_the_guide() -> Vec<&'static str> {
    let guide = include_str!("../../guide/deadlines.md");
    let (_, section) = guide.split_once("\n## What obeys\n").expect("the section");
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let table = lines.take_while(|line| line.starts_with('|'));
    // The first two lines are its head.
    let cells = table
        .skip(2)
        .map(|line| line.split('|').nth(1).expect("a cell").trim());
    cells.collect()
}

#[test]
fn the_guide_has_the_operations_that_are_tested_and_no_others() {
    let cells = operations_of_the_guide();
    assert!(cells.len() > 10, "{cells:?}");
    let mut tested = TABLE.iter().map(|(operation, ..)| *operation);
    for cell in cells {
        let mut rest = cell;
        while !rest.is_empty() {
            let operation = tested.next().unwrap_or("nothing more");
            rest = rest.strip_prefix(operation).unwrap_or_else(|| {
                panic!(
                    "in the guide's row \"{cell}\" \"{rest}\" is next; in `TABLE` \"{operation}\""
                )
            });
            rest = rest
                .strip_prefix("; ")
                .or(rest.strip_prefix(", "))
                .unwrap_or(rest);
        }
    }
    assert_eq!(tested.next(), None, "the guide has no row of it");
}

#[test]
fn each_row_of_the_table_is_checked_once_by_this_suite() {
    let mut all = BTreeSet::new();
    for name in rows() {
        assert!(all.insert(name), "`{name}` is twice in `TABLE`");
        // As a row of a macro, or as a field.
        let spellings = [format!("\"{name}\": "), format!("name: \"{name}\",")];
        let is_checked = |line: &str| spellings.iter().any(|spelling| line.contains(spelling));
        let lines = SOURCES.iter().flat_map(|source| source.lines());
        let checks = lines.filter(|line| is_checked(line) && !line.trim().starts_with("//"));
        assert_eq!(checks.count(), 1, "checks of `{name}`");
    }
    for (operation, rows, tests) in TABLE {
        assert!(!rows.is_empty() || !tests.is_empty(), "{operation}");
    }
}
