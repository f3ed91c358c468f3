//! The small examples, each run as a child process, like a user runs them. The large example,
//! `server`, has its own test suite.
//!
//! The tests wait only for a line, a reply or the end of a process, each with a timeout, and never
//! for time to pass.

#[path = "support/example.rs"]
mod example;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use example::example_binary;

/// The timeout of every wait. Only a broken example comes near it.
const LONG: Duration = Duration::from_secs(60);

/// A running example. It is killed if its test fails.
struct Example {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
}

impl Example {
    fn start(name: &'static str, arguments: &[&str]) -> Example {
        let mut child = Command::new(example_binary(name))
            .args(arguments)
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                // The receiver is dropped if the test has failed.
                let _ = sender.send(line.expect("lines of UTF-8"));
            }
        });
        Example { name, child, lines }
    }

    /// Returns the next line, or `None` at the end of the output.
    fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(LONG) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} prints nothing", self.name),
        }
    }

    /// Waits for the process to exit successfully, and returns the remaining lines.
    fn finish(mut self) -> Vec<String> {
        let lines = std::iter::from_fn(|| self.line()).collect();
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "{}: {status}; {lines:#?}", self.name);
        lines
    }

    /// Returns the address in the first line.
    fn address(&self) -> SocketAddr {
        let line = self.line();
        let address = line.as_deref().and_then(|line| {
            let address = line.strip_prefix("listening on ")?;
            address.parse().ok()
        });
        address.unwrap_or_else(|| panic!("{} prints no address but {line:?}", self.name))
    }

    fn terminate(&self) {
        let status = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(status.expect("kill starts").success());
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, LONG).expect("it accepts");
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    stream.set_write_timeout(Some(LONG)).expect("a timeout");
    stream
}

/// Sends `message` and asserts that it is echoed.
fn exchange(mut stream: &TcpStream, message: &[u8]) {
    let mut reply = vec![0; message.len()];
    stream.write_all(message).expect("it is sent");
    stream.read_exact(&mut reply).expect("a reply");
    assert_eq!(reply, message);
}

/// Asserts that the peer has closed the connection without sending more.
fn assert_closed(mut stream: &TcpStream) {
    match stream.read(&mut [0]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn hello_logs_the_id_of_the_request_in_its_task_its_child_and_its_blocking_call() {
    let request = |id| {
        [
            format!("[request {id}] received"),
            format!("[request {id}] looking up the price"),
            format!("[request {id}] writing an order of 25 cents"),
            format!("[request {id}] done"),
        ]
    };
    let mut expected = vec!["[no request] starting".to_owned()];
    expected.extend(request(7));
    expected.extend(request(8));
    expected.push("[no request] stopping".to_owned());
    assert_eq!(Example::start("hello", &[]).finish(), expected);
}

#[test]
fn zone_s_failures_come_to_the_handler_of_their_plugin() {
    let expected = [
        "[clock -] starts",
        "[clock display] the task panicked: no battery",
        "[weather -] starts",
        "[weather station] the task panicked: no wind",
        "[weather -] has its second reading",
        "[stove -] starts",
        "[cook -] lights the oven",
        "[stove oven] the task panicked: fire",
        "[stove oven] not handled: the task panicked: fire",
        "[host -] goes on",
    ];
    assert_eq!(Example::start("zone", &[]).finish(), expected);
}

#[test]
fn timeouts_drop_what_they_cancel_in_its_own_frame() {
    let expected = [
        "[Some(1)] the quick query is closed",
        "[None] quick: Ok(3)",
        "[Some(2)] the endless query is closed",
        "[None] endless: the time limit ran out",
        "[None] tick 1",
        "[None] tick 2",
        "[None] tick 3",
        "[Some(3)] the aborted query is closed",
        "[None] aborted: true",
    ];
    assert_eq!(Example::start("timeouts", &[]).finish(), expected);
}

#[test]
fn context_shows_the_frame_in_each_place() {
    let expected = [
        r#"request: Some("ada") Some(1)"#,
        r#"after a timer: Some("ada") Some(1)"#,
        r#"task: Some("ada") None"#,
        r#"task at the root: None None"#,
        r#"blocking call: Some("ada") None"#,
        r#"callback: Some("ada") Some(1)"#,
        r#"worker: None None"#,
        r#"message: Some("ada") Some(1)"#,
        r#"worker: None None"#,
        r#"message of bob: Some("bob") Some(1)"#,
        r#"request again: Some("ada") Some(1)"#,
    ];
    assert_eq!(Example::start("context", &[]).finish(), expected);
}

#[test]
fn seeded_finds_the_race_and_gives_its_run_again() {
    let lines = Example::start("seeded", &[]).finish();
    // The seed and the steps before the failure may change with the scheduler.
    let expected = [
        "racy: a plain run passes",
        "racy: assertion `left == right` failed: a visit was lost",
        "racy: the seed gives the same run again: true",
        "fixed: every seeded run passes",
    ];
    let said = |line: &&String| line.starts_with("racy: ") || line.starts_with("fixed: ");
    let found: Vec<_> = lines.iter().filter(said).collect();
    assert_eq!(found, expected, "{lines:#?}");
    let names_a_seed = |line: &String| line.starts_with("the run under seed 0x");
    assert!(lines.iter().any(names_a_seed), "{lines:#?}");
}

#[test]
fn echo_serves_several_clients_at_once() {
    let echo = Example::start("echo", &["127.0.0.1:0"]);
    let address = echo.address();
    let clients = [connect(address), connect(address)];
    for round in 0..3 {
        for (number, client) in clients.iter().enumerate() {
            exchange(
                client,
                format!("round {round} of client {number}").as_bytes(),
            );
        }
    }
    // More bytes than the server's buffer, and a client that shuts down its write side.
    exchange(&clients[0], &[7; 20_000]);
    clients[0].shutdown(Shutdown::Write).expect("it is open");
    assert_closed(&clients[0]);
    exchange(&clients[1], b"still there");
}

#[test]
fn shutdown_lets_a_connection_finish() {
    let server = Example::start("shutdown", &["127.0.0.1:0", "3600000"]);
    let address = server.address();
    let client = connect(address);
    exchange(&client, b"before");
    server.terminate();
    assert_eq!(server.line().as_deref(), Some("stopping"));
    assert_eq!(server.line().as_deref(), Some("no longer accepting"));
    let refused = TcpStream::connect_timeout(&address, LONG).expect_err("it accepts no more");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    exchange(&client, b"after");
    drop(client);
    let expected = ["connections to cut off: 0", "everything has ended: true"];
    assert_eq!(server.finish(), expected);
}

#[test]
fn shutdown_closes_a_connection_that_does_not_finish() {
    let server = Example::start("shutdown", &["127.0.0.1:0", "50"]);
    let client = connect(server.address());
    exchange(&client, b"before");
    server.terminate();
    let expected = [
        "stopping",
        "no longer accepting",
        "connections to cut off: 1",
        "everything has ended: true",
    ];
    assert_eq!(server.finish(), expected);
    assert_closed(&client);
}
