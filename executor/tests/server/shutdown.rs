//! The shutdown of the server, and the work that the next run resumes.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use framewise::runtime::Runtime;
use rusqlite::Connection;

use crate::client::{Client, order, raw, raw_order};
use crate::process::Server;

/// Begins an order, and returns when the server has read its header and asks for its body, so that
/// the order is in flight.
fn begin_order(server: &Server, id: &str, body: &str) -> TcpStream {
    let mut stream = raw(server.address);
    let whole = raw_order(id, "t", body, "expect: 100-continue\r\n");
    let head = &whole.as_bytes()[..whole.len() - body.len()];
    stream.write_all(head).expect("written");
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).expect("a reply");
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

fn is_stopping(line: &crate::process::Line) -> bool {
    line.site == "server" && line.message.starts_with("stopping on SIG")
}

#[test]
fn what_is_in_flight_is_finished() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&[]);
        let body = order("ada", &["A-1", "A-2"]);
        let mut stream = begin_order(&server, "in-flight", &body);
        let idle = raw(server.address);
        server.signal(signal);
        server.wait_for_line(is_stopping);
        // The prices are still to be requested, by HTTP, from a server that accepts no more
        // connections.
        stream.write_all(body.as_bytes()).expect("written");
        let mut reply = String::new();
        stream
            .read_to_string(&mut reply)
            .expect("a reply, and then the end");
        assert!(reply.starts_with("HTTP/1.1 201 "), "{reply}");
        assert!(reply.contains("x-request-id: in-flight"), "{reply}");
        let (status, lines, directory) = server.wait();
        assert_eq!(status.code(), Some(0), "{lines:#?}");
        drop(idle);
        for site in ["handler", "price", "database", "job"] {
            let of_order =
                |line: &&_| is_of(line, "in-flight") && line.customer.as_deref() == Some("ada");
            assert!(
                lines.iter().filter(of_order).any(|line| line.site == site),
                "{site}"
            );
        }
        let last = lines.last().expect("lines");
        assert_eq!(last.message, "stopped; 1 orders are open for the next run");
        let database = Connection::open(directory.database()).expect("the database");
        let found: (String, bool) = database
            .query_row("SELECT status, confirmed FROM orders", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .expect("the order");
        assert_eq!(found, ("open".to_owned(), true));
    }
}

fn is_of(line: &crate::process::Line, id: &str) -> bool {
    line.request_id.as_deref() == Some(id)
}

#[test]
fn a_client_that_does_not_finish_is_cut_off_in_the_end() {
    let server = Server::start(&["--drain-within", "300ms", "--read-within", "1h"]);
    let mut stream = begin_order(&server, "never", &order("ada", &["A-1"]));
    server.signal("TERM");
    server.wait_for_line(|line| line.message == "1 connections were cut off after 300ms");
    let (status, ..) = server.wait();
    assert_eq!(status.code(), Some(0));
    let mut rest = Vec::new();
    // The connection is closed, with or without an error.
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
}

#[test]
fn a_second_signal_exits_at_once() {
    for second in ["TERM", "INT"] {
        let server = Server::start(&["--drain-within", "1h", "--read-within", "1h"]);
        let stream = begin_order(&server, "never", &order("ada", &["A-1"]));
        server.signal("TERM");
        let line = server.wait_for_line(is_stopping);
        assert!(
            line.message.contains("a second signal exits at once"),
            "{line:?}"
        );
        server.signal(second);
        let (status, ..) = server.wait();
        assert_eq!(status.code(), Some(130));
        drop(stream);
    }
}

#[test]
fn sigterm_under_load_loses_no_acknowledged_order() {
    const CLIENTS: usize = 32;
    const ENOUGH: usize = 400;
    let server = Server::start(&[]);
    let acknowledged = Mutex::new(Vec::new());
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (acknowledged, count, address) = (&acknowledged, &count, server.address);
            scope.spawn(move || {
                let mut stream = BufReader::new(raw(address));
                let mut mine = Vec::new();
                for number in 0.. {
                    let id = format!("r-{client}-{number}");
                    let body = order(&format!("c-{client}-{number}"), &["A-1"]);
                    let request = raw_order(&id, "t", &body, "");
                    if stream.get_mut().write_all(request.as_bytes()).is_err() {
                        break;
                    }
                    let Some(order) = read_acknowledgement(&mut stream) else {
                        break;
                    };
                    mine.push((order, id));
                    // Ordering: Relaxed. Only the count matters; it publishes nothing.
                    count.fetch_add(1, Ordering::Relaxed);
                }
                acknowledged.lock().expect("no panic").append(&mut mine);
            });
        }
        let until = Instant::now() + crate::process::LONG;
        // Ordering: Relaxed, like above.
        while count.load(Ordering::Relaxed) < ENOUGH {
            assert!(Instant::now() < until, "too few orders");
            std::thread::sleep(Duration::from_millis(1));
        }
        server.signal("TERM");
    });
    let acknowledged = acknowledged.into_inner().expect("no panic");
    assert!(acknowledged.len() >= ENOUGH);
    check_acknowledged(server, acknowledged);
}

#[test]
fn sigterm_under_load_loses_no_acknowledged_order_on_http2() {
    const STREAMS: usize = 100;
    const ENOUGH: usize = 400;
    // The delay ensures that orders are always in flight.
    let server = Server::start(&["--price-delay", "20ms", "--price-within", "1m"]);
    let runtime = Runtime::new().expect("a runtime");
    let acknowledged = runtime.block_on(async {
        let clients = [Client::http2(server.address), Client::http2(server.address)];
        let (sender, placed) = async_channel::unbounded();
        let streams: Vec<_> = (0..STREAMS)
            .map(|stream| place_until_it_ends(clients[stream % 2].clone(), stream, sender.clone()))
            .map(framewise::spawn)
            .collect();
        drop(sender);
        let mut acknowledged = Vec::new();
        while acknowledged.len() < ENOUGH {
            acknowledged.push(placed.recv().await.expect("the clients go on"));
        }
        server.signal("TERM");
        while let Ok(more) = placed.recv().await {
            acknowledged.push(more);
        }
        for stream in streams {
            stream.await.expect("no panic");
        }
        acknowledged
    });
    check_acknowledged(server, acknowledged);
}

/// Places one order after another until the server rejects them.
async fn place_until_it_ends(
    client: Client,
    stream: usize,
    acknowledged: async_channel::Sender<(i64, String)>,
) {
    for number in 0.. {
        let id = format!("r-{stream}-{number}");
        let body = order(&format!("c-{stream}-{number}"), &["A-1"]);
        match client.try_send(("POST", "/orders"), (&id, "t"), body).await {
            Ok(reply) => {
                assert_eq!(reply.status, 201, "{reply:?}");
                acknowledged
                    .try_send((reply.order(), id))
                    .expect("unbounded");
            }
            Err(_) => return,
        }
    }
}

/// Waits for the server to end, and checks that its database contains exactly the acknowledged
/// orders.
fn check_acknowledged(server: Server, acknowledged: Vec<(i64, String)>) {
    let (status, lines, directory) = server.wait();
    assert_eq!(status.code(), Some(0), "{:#?}", lines.last());
    let database = Connection::open(directory.database()).expect("the database");
    let mut rows: HashMap<i64, (String, bool, String)> = database
        .prepare("SELECT id, request_id, confirmed, status FROM orders")
        .expect("a statement")
        .query_map([], |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))
        })
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("rows");
    let confirmed: HashSet<&str> = lines
        .iter()
        .filter(|line| line.site == "job")
        .filter_map(|line| line.request_id.as_deref())
        .collect();
    for (order, id) in acknowledged {
        let row = rows.remove(&order);
        assert_eq!(
            row,
            Some((id.clone(), true, "open".to_owned())),
            "order {order}"
        );
        assert!(confirmed.contains(&*id), "{id}");
    }
    // Every accepted order was also acknowledged.
    assert_eq!(rows, HashMap::new());
}

/// Returns the order's id in a 201 response, or `None` if the connection ends instead.
fn read_acknowledgement(stream: &mut BufReader<TcpStream>) -> Option<i64> {
    let mut length = 0;
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    if line.is_empty() {
        return None;
    }
    assert!(line.starts_with("HTTP/1.1 201 "), "{line}");
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    json["id"].as_i64()
}

#[test]
fn the_next_run_takes_up_what_is_open_in_the_name_of_its_request() {
    let server = Server::start(&["--pay-within", "1h"]);
    let runtime = Runtime::new().expect("a runtime");
    let mut orders = Vec::new();
    for number in 0..3 {
        let client = Client::http1(server.address);
        let (id, tenant) = (format!("r-{number}"), format!("t-{number}"));
        let body = order(&format!("c-{number}"), &["A-1"]);
        let reply = runtime.block_on(client.send(("POST", "/orders"), (&id, &tenant), body));
        assert_eq!(reply.status, 201);
        orders.push(reply.order());
    }
    let (_, directory) = server.stop();
    // Change the database so that the first order is long overdue, and the second one lost its
    // confirmation in a crash.
    let database = Connection::open(directory.database()).expect("the database");
    let set = |what: &str, order: i64| {
        let sql = format!("UPDATE orders SET {what} WHERE id = ?");
        assert_eq!(database.execute(&sql, [order]), Ok(1));
    };
    set("expires_unix_ms = 1000", orders[0]);
    set("confirmed = 0", orders[1]);
    drop(database);

    let server = Server::restart(directory, &["--pay-within", "1h"]);
    for (number, site, said) in [
        (
            0,
            "timer",
            format!("order {} was not paid in time and expired", orders[0]),
        ),
        (
            1,
            "job",
            format!("confirmation of order {} sent", orders[1]),
        ),
    ] {
        let line = server.wait_for_line(|line| line.site == site && line.message.contains(&said));
        assert_eq!(line.request_id, Some(format!("r-{number}")));
        assert_eq!(line.tenant, Some(format!("t-{number}")));
        assert_eq!(line.customer, Some(format!("c-{number}")));
    }
    runtime.block_on(async {
        let client = Client::http1(server.address);
        let pay = |order: i64| format!("/orders/{order}/pay");
        let reply = client
            .send(("POST", &pay(orders[0])), ("p-0", "t-0"), "")
            .await;
        assert_eq!(reply.status, 409);
        assert!(
            reply.error().contains("has expired; place a new one"),
            "{reply:?}"
        );
        let reply = client
            .send(("POST", &pay(orders[1])), ("p-1", "t-1"), "")
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.json["status"].as_str()),
            (200, Some("paid"))
        );
        let reply = client
            .send(("POST", &pay(orders[1])), ("p-1", "t-1"), "")
            .await;
        assert_eq!(reply.status, 409);
        assert!(reply.error().contains("is paid already"), "{reply:?}");
    });
    let (lines, _) = server.stop();
    let again = lines.iter().filter(|line| is_of(line, "r-2")).count();
    assert_eq!(again, 0, "the third had nothing to be done");
}
