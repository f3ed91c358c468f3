//! A request's time over several servers: each is a process, asks the next one for prices, and
//! tells it how much time is left. The last one takes an hour.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::{order, raw_exchange, raw_order};
use crate::process::{LONG, Server};

/// Returns the number of live frames in a server's process, with those of this request.
fn live(server: &Server) -> u64 {
    let request = b"GET /frames HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let reply = raw_exchange(server.address, request);
    let (_, body) = reply.split_once("\r\n\r\n").expect("a reply");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    body["live"].as_u64().expect("the tests count frames")
}

#[test]
fn c99_a_deadline_over_three_hops_leaves_nothing_in_any_of_them() {
    let slow = ["--price-within", "1h"];
    let start = |more: &[&str]| Server::start(&[&slow, more].concat());
    let last = start(&["--price-delay", "1h"]);
    let middle = start(&["--prices-at", &last.address.to_string()]);
    let first = start(&["--prices-at", &middle.address.to_string()]);
    let servers = [first, middle, last];
    // At rest a server has the frames of the request that asks.
    let at_rest = servers.each_ref().map(live);

    for header in ["x-timeout-ms: 250", "grpc-timeout: 250m"] {
        let body = order("ada", &["A-1", "A-2", "A-3"]);
        let more = format!("{header}\r\nconnection: close\r\n");
        let request = raw_order("late", "t", &body, &more);
        let reply = raw_exchange(servers[0].address, request.as_bytes());
        assert!(reply.starts_with("HTTP/1.1 504 "), "{reply}");
        // The first one's header is passed on as milliseconds.
        let (name, _) = header.split_once(':').expect("a header");
        let whose = [name, "x-timeout-ms"].map(|name| format!("the deadline `{name}` ("));
        assert!(whose.iter().any(|whose| reply.contains(whose)), "{reply}");
        // No timer, socket, task or job of the request is left: each would hold its frame.
        let until = Instant::now() + LONG;
        for (place, server) in servers.iter().enumerate() {
            while live(server) != at_rest[place] {
                assert!(Instant::now() < until, "server {place} keeps frames");
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    let lines = servers.map(|server| server.stop().0);
    for (place, lines) in lines.iter().enumerate() {
        let of_the_request = lines
            .iter()
            .filter(|line| line.request_id.as_deref() == Some("late"));
        for line in of_the_request {
            let done = ["asked for the price", "costs", "accepted", "written"];
            let is_done = done.iter().any(|done| line.message.contains(done));
            assert!(!is_done, "server {place} went on: {line:?}");
        }
    }
    let told = |lines: &[crate::process::Line]| {
        lines.iter().any(|line| {
            line.request_id.as_deref() == Some("late") && line.message.starts_with("504: ")
        })
    };
    assert!(lines.iter().all(|lines| told(lines)), "{lines:#?}");
}

#[test]
fn a_request_in_time_is_answered_and_what_follows_has_no_deadline() {
    let server = Server::start(&["--pay-within", "1s"]);
    let body = order("ada", &["A-1"]);
    // The order expires after the request's deadline, in its frame, and the job may run then.
    let more = "x-timeout-ms: 900\r\nconnection: close\r\n";
    let request = raw_order("in-time", "t", &body, more);
    let mut reply = raw_exchange(server.address, request.as_bytes());
    while reply.starts_with("HTTP/1.1 504 ") {
        // A machine that is this slow; nothing was ordered then.
        reply = raw_exchange(server.address, request.as_bytes());
    }
    assert!(reply.starts_with("HTTP/1.1 201 "), "{reply}");
    for message in ["and expired", "confirmation of order"] {
        server.wait_for_line(|line| {
            line.request_id.as_deref() == Some("in-time") && line.message.contains(message)
        });
    }
    server.stop();
}
