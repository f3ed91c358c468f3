//! Invalid requests are rejected with a 4xx status and a message that says what would be valid, and
//! the server keeps running.

use std::ffi::OsStr;

use framewise::runtime::Runtime;

use crate::client::{Client, order, raw_exchange};
use crate::process::{Directory, Server, run};

/// Method and path, body, status, and a part of the error message.
type Case = ((&'static str, &'static str), String, u16, &'static str);

fn item(item: &str) -> String {
    format!(r#"{{"customer": "ada", "items": [{item}]}}"#)
}

fn cases() -> Vec<Case> {
    const ORDERS: (&str, &str) = ("POST", "/orders");
    let many = vec![r#"{"sku": "A-1", "quantity": 1}"#; 101].join(", ");
    let long_name = format!(r#"{{"customer": "{}", "items": []}}"#, "x".repeat(65));
    let case = |at, body: &str, status, said| (at, body.to_owned(), status, said);
    vec![
        case(ORDERS, "", 400, r#"{"customer": "ada""#),
        case(ORDERS, "{", 400, r#"{"customer": "ada""#),
        case(ORDERS, "not json", 400, r#"{"customer": "ada""#),
        case(
            ORDERS,
            r#"{"customer": "ada"}"#,
            400,
            "missing field `items`",
        ),
        case(
            ORDERS,
            r#"{"customer": "ada", "items": [], "vip": 1}"#,
            400,
            "unknown field `vip`",
        ),
        case(ORDERS, r#"{"customer": 7, "items": []}"#, 400, "expected"),
        case(
            ORDERS,
            r#"{"customer": "ada", "items": []}"#,
            422,
            "give 1 to 100",
        ),
        case(
            ORDERS,
            r#"{"customer": "", "items": []}"#,
            422,
            "1 to 64 characters",
        ),
        case(
            ORDERS,
            r#"{"customer": "a\nb", "items": []}"#,
            422,
            "no control characters",
        ),
        case(ORDERS, &long_name, 422, "1 to 64 characters"),
        case(
            ORDERS,
            &item(r#"{"sku": "A-1", "quantity": 0}"#),
            422,
            "give 1 to 1000",
        ),
        case(
            ORDERS,
            &item(r#"{"sku": "A-1", "quantity": 1001}"#),
            422,
            "give 1 to 1000",
        ),
        case(
            ORDERS,
            &item(r#"{"sku": "A-1", "quantity": -1}"#),
            400,
            "expected u64",
        ),
        case(
            ORDERS,
            &item(r#"{"sku": "A-1", "quantity": 1.5}"#),
            400,
            "expected u64",
        ),
        case(
            ORDERS,
            &item(r#"{"sku": "A-1", "quantity": "1"}"#),
            400,
            "expected u64",
        ),
        case(
            ORDERS,
            &item(r#"{"sku": "A-1"}"#),
            400,
            "missing field `quantity`",
        ),
        case(
            ORDERS,
            &item(r#"{"sku": "A-1", "quantity": 1, "x": 1}"#),
            400,
            "unknown field `x`",
        ),
        case(
            ORDERS,
            &item(r#"{"sku": "../healthz", "quantity": 1}"#),
            422,
            "as in A-1",
        ),
        case(
            ORDERS,
            &item(r#"{"sku": "A-0", "quantity": 1}"#),
            422,
            "there is no item `A-0`",
        ),
        case(ORDERS, &item(&many), 422, "give 1 to 100"),
        case(ORDERS, &"x".repeat(64 * 1024), 400, r#"{"customer": "ada""#),
        case(
            ORDERS,
            &"x".repeat(64 * 1024 + 1),
            413,
            "65536 bytes or less",
        ),
        case(ORDERS, &"x".repeat(900_000), 413, "65536 bytes or less"),
        case(
            ("POST", "/orders/1/pay"),
            &"x".repeat(64 * 1024 + 1),
            413,
            "65536 bytes or less",
        ),
        case(("GET", "/orders"), "", 405, "POST"),
        case(("PUT", "/orders/1"), "", 405, "GET"),
        case(("GET", "/orders/1/pay"), "", 405, "POST"),
        case(("POST", "/prices/A-1"), "", 405, "GET"),
        case(("POST", "/healthz"), "", 405, "GET"),
        case(("GET", "/orders/1"), "", 404, "there is no order 1"),
        case(("POST", "/orders/1/pay"), "", 404, "there is no order 1"),
        case(("GET", "/orders/one"), "", 400, "`one` is no order's id"),
        case(("GET", "/orders/-1"), "", 400, "`-1` is no order's id"),
        case(
            ("GET", "/orders/99999999999999999999"),
            "",
            400,
            "is no order's id",
        ),
        case(("POST", "/orders/%FF/pay"), "", 400, "is no order's id"),
        case(("GET", "/prices/a-1"), "", 404, "as in A-1"),
        case(("GET", "/prices/A-10000"), "", 404, "as in A-1"),
        case(("GET", "/prices/%FF"), "", 404, "as in A-1"),
        case(("GET", "/"), "", 404, "POST /orders, GET /orders/{id}"),
        case(
            ("BREW", "/coffee"),
            "",
            404,
            "POST /orders, GET /orders/{id}",
        ),
    ]
}

#[test]
fn invalid_input_is_rejected_with_what_would_be_valid() {
    let server = Server::start(&[]);
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for client in [Client::http1(server.address), Client::http2(server.address)] {
            for (number, (at, body, status, said)) in cases().into_iter().enumerate() {
                let id = format!("r-{number}");
                let reply = client.send(at, (&id, "t"), body.clone()).await;
                let body = &body[..body.len().min(80)];
                assert_eq!(reply.status, status, "{at:?} {body}: {reply:?}");
                assert!(reply.error().contains(said), "{at:?} {body}: {reply:?}");
                assert_eq!(reply.request_id, id);
                assert_eq!(reply.json.as_object().map(serde_json::Map::len), Some(1));
            }
            let reply = client.send(("GET", "/healthz"), ("", ""), "").await;
            assert_eq!(reply.status, 200);
        }
    });
    let (lines, directory) = server.stop();
    for (number, (at, _, status, said)) in cases().into_iter().enumerate() {
        let about = |line: &&crate::process::Line| {
            line.site == "handler"
                && line.request_id.as_deref() == Some(&format!("r-{number}"))
                && line.message.starts_with(&format!("{status}: "))
                && line.message.contains(said)
        };
        // Once per protocol, and once more if the price service rejected the server's own request.
        assert!(lines.iter().filter(about).count() >= 2, "{at:?} {said}");
    }
    let database = rusqlite::Connection::open(directory.database()).expect("the database");
    let orders: i64 = database
        .query_row("SELECT count(*) FROM orders", [], |row| row.get(0))
        .expect("a row");
    assert_eq!(orders, 0);
}

#[test]
fn a_reply_carries_the_request_id_that_was_sent_or_a_new_one() {
    let server = Server::start(&[]);
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = Client::http1(server.address);
        let reply = client.send(("GET", "/healthz"), ("given-1", "t"), "").await;
        assert_eq!(
            (reply.status.as_u16(), &*reply.request_id),
            (200, "given-1")
        );
        let one = client.send(("GET", "/healthz"), ("", ""), "").await;
        let two = client.send(("GET", "/nowhere"), ("", ""), "").await;
        assert_ne!(one.request_id, two.request_id);
        // A value that would corrupt the log is rejected, not silently replaced.
        for bad in ["a b", "\"", &"x".repeat(65)] {
            let reply = client.send(("GET", "/healthz"), (bad, "t"), "").await;
            assert_eq!(reply.status, 400, "{bad}");
            assert!(
                reply
                    .error()
                    .contains("x-request-id is no name; give 1 to 64"),
                "{reply:?}"
            );
            assert_ne!(reply.request_id, bad);
            let reply = client.send(("GET", "/healthz"), ("given-2", bad), "").await;
            assert_eq!(reply.status, 400, "{bad}");
            assert!(
                reply.error().contains("x-tenant is no name; give 1 to 64"),
                "{reply:?}"
            );
            assert_eq!(reply.request_id, "given-2");
        }
        // Without a tenant, the default tenant is used.
        let reply = client
            .send(("POST", "/orders"), ("given-3", ""), order("ada", &["A-1"]))
            .await;
        assert_eq!(reply.status, 201, "{reply:?}");
    });
    let (lines, _) = server.stop();
    let of_order: Vec<_> = lines
        .iter()
        .filter(|line| line.request_id.as_deref() == Some("given-3"))
        .collect();
    assert!(of_order.len() >= 5, "{of_order:#?}");
    assert!(
        of_order
            .iter()
            .all(|line| line.tenant.as_deref() == Some("default"))
    );
}

#[test]
fn a_body_that_is_longer_than_declared_or_than_the_limit_is_rejected() {
    let server = Server::start(&[]);
    let head = "POST /orders HTTP/1.1\r\nhost: x\r\n";
    // A body of 100 MB by its header is rejected at once, without reading it.
    let reply = raw_exchange(
        server.address,
        format!("{head}content-length: 100000000\r\n\r\n").as_bytes(),
    );
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    // A client that sends `expect: 100-continue` gets the rejection before it sends the body.
    let asks = format!("{head}content-length: 70000\r\nexpect: 100-continue\r\n\r\n");
    let reply = raw_exchange(server.address, asks.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    // With chunked encoding the length is only known while reading.
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    );
    let reply = raw_exchange(server.address, chunked.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    server.stop();
}

#[test]
fn a_slow_sender_is_cut_off() {
    let server = Server::start(&["--read-within", "300ms"]);
    let starts: [&[u8]; 5] = [
        b"",
        b"P",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    ];
    for start in starts {
        let reply = raw_exchange(server.address, start);
        assert!(!reply.contains("200"), "{start:?}: {reply}");
    }
    server.wait_for_lines(starts.len(), |line| {
        line.site == "server" && line.message.contains("no whole request within 300ms")
    });
    // A request whose body does not arrive still gets a response.
    let half =
        "POST /orders HTTP/1.1\r\nhost: x\r\nx-request-id: slow\r\ncontent-length: 9\r\n\r\n{";
    let reply = raw_exchange(server.address, half.as_bytes());
    assert!(
        reply.starts_with("HTTP/1.1 408 ") && reply.contains("x-request-id: slow"),
        "{reply}"
    );
    assert!(
        reply.contains("did not come within 300ms; send it faster"),
        "{reply}"
    );
    // The server still runs.
    let reply = raw_exchange(
        server.address,
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    server.stop();
}

#[test]
fn invalid_options_are_rejected_with_what_would_be_valid() {
    let directory = Directory::new();
    let no_database = directory.path().join("no.sqlite3");
    std::fs::write(
        &no_database,
        "this is no database, and long enough not to be taken for an empty one",
    )
    .expect("written");
    let missing = directory.path().join("missing/orders.sqlite3");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let good = directory.database();
    let (good, database) = (good.as_os_str(), OsStr::new("--database"));
    let text = OsStr::new;
    for (arguments, code, said) in [
        (
            vec![text("--lisen"), text("127.0.0.1:0")],
            2,
            "there is no option `--lisen`",
        ),
        (
            vec![text("--pay-within"), text("soon")],
            2,
            "give a whole number and us, ms, s",
        ),
        (vec![text("--workers"), text("0")], 2, "give 1 to 1024"),
        (
            vec![database, directory.path().as_os_str()],
            1,
            "--database gives another",
        ),
        (vec![database, no_database.as_os_str()], 1, "not a database"),
        (
            vec![database, missing.as_os_str()],
            1,
            "--database gives another",
        ),
        (
            vec![database, good, text("--listen"), text(&taken)],
            1,
            "--listen gives another",
        ),
    ] {
        let (exit, stdout, stderr) = run(&arguments);
        assert_eq!(exit, Some(code), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("server: ") && stderr.contains(said),
            "{arguments:?}: {stderr}"
        );
        assert_eq!(stdout, "", "{arguments:?}");
    }
    let (exit, stdout, stderr) = run(&[text("--help")]);
    assert_eq!((exit, &*stderr), (Some(0), ""));
    assert!(stdout.contains("--pay-within"), "{stdout}");
}
