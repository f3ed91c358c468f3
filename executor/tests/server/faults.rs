//! Failures of the server's dependencies: the server reports them and keeps running.

use framewise::runtime::Runtime;
use rusqlite::Connection;

use crate::client::{Client, order, raw, raw_exchange};
use crate::process::{LONG, Server};

#[test]
fn a_database_that_cannot_be_written_is_a_503_until_it_can() {
    let server = Server::start(&["--pay-within", "300ms"]);
    let runtime = Runtime::new().expect("a runtime");
    let client = Client::http1(server.address);
    let post = |id: &'static str| {
        runtime.block_on(client.send(("POST", "/orders"), (id, "t"), order("ada", &["A-1"])))
    };
    let reply = post("before");
    assert_eq!(reply.status, 201);
    let (before, path) = (reply.order(), format!("/orders/{}", reply.order()));

    // Another connection locks the database, like a process that hangs in a transaction.
    let other = Connection::open(server.directory.database()).expect("the database");
    other.busy_timeout(LONG).expect("a timeout");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let reply = post("locked");
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.error().contains("cannot write the order") && reply.error().contains("locked"));
    assert!(reply.error().contains("try again"), "{reply:?}");
    assert_eq!(reply.request_id, "locked");
    server.wait_for_line(|line| {
        line.site == "database"
            && line.request_id.as_deref() == Some("locked")
            && line.customer.as_deref() == Some("ada")
            && line.message.contains("could not write the order")
    });
    // Requests that do not write still succeed.
    let reply = runtime.block_on(client.send(("GET", &path), ("read", "t"), ""));
    assert_eq!(reply.status, 200);
    // The earlier order is due and must wait, unless it expired before the lock was taken.
    if reply.json["status"] == "open" {
        server.wait_for_line(|line| {
            line.site == "timer"
                && line.request_id.as_deref() == Some("before")
                && line.message.contains("cannot expire yet")
        });
    }

    other.execute_batch("ROLLBACK").expect("unlocked");
    assert_eq!(post("after").status, 201);
    for id in ["before", "after"] {
        server.wait_for_line(|line| {
            line.site == "timer"
                && line.request_id.as_deref() == Some(id)
                && line.message.ends_with("was not paid in time and expired")
        });
    }
    let reply = runtime.block_on(client.send(("GET", &path), ("", "t"), ""));
    assert_eq!(
        (reply.order(), reply.json["status"].as_str()),
        (before, Some("expired"))
    );
    server.stop();
}

#[test]
fn a_price_service_that_is_too_slow_is_a_504() {
    let server = Server::start(&["--price-within", "200ms", "--price-delay", "1h"]);
    let runtime = Runtime::new().expect("a runtime");
    for client in [Client::http1(server.address), Client::http2(server.address)] {
        let body = order("ada", &["A-1", "A-2", "A-3"]);
        let reply = runtime.block_on(client.send(("POST", "/orders"), ("slow", "t"), body));
        assert_eq!(reply.status, 504, "{reply:?}");
        assert!(
            reply
                .error()
                .contains("did not answer within 200ms; try again"),
            "{reply:?}"
        );
    }
    server.wait_for_line(|line| {
        line.site == "price"
            && line.request_id.as_deref() == Some("slow")
            && line.customer.as_deref() == Some("ada")
            && line.message.contains("did not answer within 200ms")
    });
    let reply = raw_exchange(
        server.address,
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    server.stop();
}

#[test]
fn running_out_of_files_is_survived() {
    let server = Server::start_with_files(48, &[]);
    let connections: Vec<_> = (0..100).map(|_| raw(server.address)).collect();
    let line = server.wait_for_line(|line| line.message.contains("cannot accept connections"));
    assert_eq!((line.site.as_str(), line.request_id), ("server", None));
    drop(connections);
    let runtime = Runtime::new().expect("a runtime");
    let client = Client::http1(server.address);
    let reply =
        runtime.block_on(client.send(("POST", "/orders"), ("r", "t"), order("ada", &["A-1"])));
    assert_eq!(reply.status, 201, "{reply:?}");
    server.stop();
}

#[test]
fn pooled_connections_work_for_one_request_after_another() {
    // Requests use one pooled connection in turn, and each sees its own values.
    let server = Server::start(&["--workers", "1"]);
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = Client::http1(server.address);
        for number in 0..20 {
            let (id, tenant) = (format!("r-{number}"), format!("t-{number}"));
            let body = order(&format!("c-{number}"), &["A-1"]);
            let reply = client.send(("POST", "/orders"), (&id, &tenant), body).await;
            assert_eq!((reply.status.as_u16(), &reply.request_id), (201, &id));
        }
    });
    let (lines, _) = server.stop();
    for number in 0..20 {
        let id = format!("r-{number}");
        let own: Vec<_> = lines
            .iter()
            .filter(|line| line.request_id.as_deref() == Some(&id))
            .collect();
        assert!(own.iter().any(|line| line.site == "price"), "{own:#?}");
        assert!(
            own.iter()
                .all(|line| line.tenant.as_deref() == Some(&format!("t-{number}")))
        );
    }
}
