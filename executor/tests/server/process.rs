//! A server process: starts it, reads its log, sends signals, and always ends it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::example::example_binary;

/// The timeout of every wait. Only a broken server comes near it.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A line of the log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    #[serde(rename = "unix_ms")]
    _unix_ms: u64,
    pub(crate) site: String,
    pub(crate) request_id: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) customer: Option<String>,
    pub(crate) message: String,
}

#[derive(Default)]
struct LogState {
    lines: Vec<Line>,
    broken: Vec<String>,
    ended: bool,
}

type Log = Arc<(Mutex<LogState>, Condvar)>;

/// A running server with its own directory.
pub(crate) struct Server {
    child: Child,
    reader: Option<JoinHandle<()>>,
    log: Log,
    pub(crate) address: SocketAddr,
    pub(crate) directory: Directory,
}

/// A directory that is removed on drop.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Ordering: Relaxed. The number only has to be unique; it publishes nothing.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("framewise-server-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("orders.sqlite3")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Server {
    /// Starts a server on a free port with its own database.
    pub(crate) fn start(options: &[&str]) -> Server {
        Server::start_in(Directory::new(), Command::new(binary()), options)
    }

    /// Starts a server with a limit of open files.
    pub(crate) fn start_with_files(files: u32, options: &[&str]) -> Server {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")])
            .arg(binary());
        Server::start_in(Directory::new(), command, options)
    }

    /// Starts a server in the directory of an earlier one.
    pub(crate) fn restart(directory: Directory, options: &[&str]) -> Server {
        Server::start_in(directory, Command::new(binary()), options)
    }

    fn start_in(directory: Directory, mut command: Command, options: &[&str]) -> Server {
        command.args(["--listen", "127.0.0.1:0", "--log", "json", "--database"]);
        command.arg(directory.database()).args(options);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let log = Log::default();
        let reader = {
            let (log, stderr) = (log.clone(), child.stderr.take().expect("piped"));
            std::thread::spawn(move || read_log(stderr, &log))
        };
        let mut first = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut first).expect("text");
        let address = first
            .trim()
            .rsplit_once("http://")
            .and_then(|(_, at)| at.parse().ok());
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "it printed no address but {first:?}; its log: {:?}",
                lock(&log).broken
            );
        };
        Server {
            child,
            reader: Some(reader),
            log,
            address,
            directory,
        }
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .expect("kill");
        assert!(status.success());
    }

    /// Waits until `count` lines match.
    pub(crate) fn wait_for_lines(&self, count: usize, such: impl Fn(&Line) -> bool) -> Vec<Line> {
        let until = Instant::now() + LONG;
        let mut state = lock(&self.log);
        loop {
            let found: Vec<Line> = state
                .lines
                .iter()
                .filter(|line| such(line))
                .cloned()
                .collect();
            if found.len() >= count {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            let why = if state.ended {
                "the log ended"
            } else {
                "it took too long"
            };
            let last = &state.lines[state.lines.len().saturating_sub(5)..];
            assert!(
                !left.is_zero() && !state.ended,
                "{why}: {} of {count} lines; {} lines in all, the last: {last:#?} {:?}",
                found.len(),
                state.lines.len(),
                state.broken,
            );
            // Many lines may arrive in a burst, and checking all of them after each line would be
            // slow.
            let pause = left.min(Duration::from_millis(200));
            let seen = state.lines.len();
            state = self
                .log
                .1
                .wait_timeout_while(state, pause, |state| state.lines.len() < seen + 1000)
                .expect("the reader did not panic")
                .0;
        }
    }

    /// Waits for a matching line.
    pub(crate) fn wait_for_line(&self, such: impl Fn(&Line) -> bool) -> Line {
        self.wait_for_lines(1, such).swap_remove(0)
    }

    /// Waits for the process to end, and returns its status, complete log and directory.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<Line>, Directory) {
        let until = Instant::now() + LONG;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(Instant::now() < until, "the server does not end");
            // std cannot wait for a process with a timeout, so poll its status.
            std::thread::sleep(Duration::from_millis(5));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader");
        }
        let state = std::mem::take(&mut *lock(&self.log));
        assert_eq!(
            state.broken,
            Vec::<String>::new(),
            "lines that are no log lines"
        );
        let directory = std::mem::replace(&mut self.directory, Directory(PathBuf::new()));
        (status, state.lines, directory)
    }

    /// Ends the server with SIGTERM, and checks that it exits with status 0.
    pub(crate) fn stop(self) -> (Vec<Line>, Directory) {
        self.signal("TERM");
        let (status, lines, directory) = self.wait();
        assert_eq!(status.code(), Some(0), "{:#?}", lines.last());
        (lines, directory)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a server that should exit by itself; returns its exit code, standard output and standard
/// error.
pub(crate) fn run(arguments: &[&OsStr]) -> (Option<i32>, String, String) {
    let output = Command::new(binary())
        .args(arguments)
        .output()
        .expect("the server starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn read_log(stderr: impl std::io::Read, log: &Log) {
    for line in BufReader::new(stderr).lines() {
        let line = line.unwrap_or_else(|error| format!("not readable: {error}"));
        let mut state = lock(log);
        match serde_json::from_str(&line) {
            Ok(line) => state.lines.push(line),
            Err(_) => state.broken.push(line),
        }
        log.1.notify_all();
    }
    lock(log).ended = true;
    log.1.notify_all();
}

fn lock(log: &Log) -> MutexGuard<'_, LogState> {
    log.0.lock().expect("no panic while it was held")
}

fn binary() -> PathBuf {
    example_binary("server")
}
