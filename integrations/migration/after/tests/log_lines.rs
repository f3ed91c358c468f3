//! The service on tokio and on framewise: the same program, whose log loses the request's id at
//! each spawn, or keeps it. The logs are those of the guide's chapter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A limit that only a broken service reaches.
const LONG: Duration = Duration::from_secs(60);

/// The requests of a run, one after the other.
const REQUESTS: [(&str, &str); 2] = [("r-7", "A-1"), ("r-8", "B-22")];

/// The last line of each request.
const LAST: &str = "is confirmed";

/// Ends the service with its test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Places orders with the service; returns its log.
fn log_of(binary: &Path) -> Vec<String> {
    let mut command = Command::new(binary);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut service = Service(child.unwrap_or_else(|error| panic!("{binary:?}: {error}")));
    let mut lines = BufReader::new(service.0.stdout.take().unwrap()).lines();
    let address = lines.next().unwrap().unwrap();
    let address = address.strip_prefix("http://").unwrap();
    let mut log = Vec::new();
    for (id, sku) in REQUESTS {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let head = format!("host: x\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n");
        write!(stream, "POST /orders/{sku} HTTP/1.1\r\n{head}").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        while !log.last().is_some_and(|line: &String| line.ends_with(LAST)) {
            log.push(lines.next().unwrap().unwrap());
        }
        log.push(String::new());
    }
    log.pop();
    log
}

/// Builds the service on tokio, beside the one on framewise; returns its path.
fn before() -> PathBuf {
    let after = Path::new(env!("CARGO_BIN_EXE_orders-after"));
    let directory = after.parent().unwrap();
    let profile = match directory.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let package = "framewise-migration-before";
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "--package",
        package,
        "--profile",
        profile,
    ]);
    cargo.arg("--target-dir").arg(directory.parent().unwrap());
    assert!(cargo.status().unwrap().success(), "{cargo:?}");
    directory.join("orders-before")
}

/// Returns the blocks of the guide's chapter that are logs.
fn logs_of_the_guide() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let chapter = fs::read_to_string(root.join("executor/guide/migration.md")).unwrap();
    let blocks = chapter.split("```text\n").skip(1);
    let block = |block: &str| block.split("```").next().unwrap().to_owned();
    blocks.map(block).collect()
}

#[test]
fn the_log_loses_its_request_on_tokio_and_keeps_it_on_framewise() {
    let lost = log_of(&before());
    let kept = log_of(Path::new(env!("CARGO_BIN_EXE_orders-after")));
    let message = |line: &String| line.split_once("] ").map(|(_, rest)| rest.to_owned());
    // The same program,
    assert_eq!(
        lost.iter().map(message).collect::<Vec<_>>(),
        kept.iter().map(message).collect::<Vec<_>>()
    );
    // whose handlers know their request on tokio, and nothing else does;
    let known = |log: &[String], id: &str| {
        let id = format!("[{id}] ");
        log.iter().filter(|line| line.starts_with(&id)).count()
    };
    let lines = lost.iter().filter(|line| !line.is_empty()).count();
    for (id, _) in REQUESTS {
        assert_eq!(known(&lost, id), 1, "{lost:#?}");
        // and on framewise every line does.
        assert_eq!(known(&kept, id), lines / REQUESTS.len(), "{kept:#?}");
    }
    let first = |log: &[String]| {
        let lines = log.iter().take_while(|line| !line.is_empty());
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(logs_of_the_guide(), [first(&lost), first(&kept)]);
}
