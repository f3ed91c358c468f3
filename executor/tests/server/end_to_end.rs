//! The main test: thousands of concurrent orders, some paid, some expired, some of clients that
//! disconnect. Afterwards every line of the log must belong to the request, tenant and customer
//! that it names, and no line may be missing.
//!
//! To make this checkable, only request `r-17` belongs to tenant `t-17` and orders for customer
//! `c-17`.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use framewise::runtime::Runtime;
use rusqlite::Connection;

use crate::client::{Client, order, raw, raw_order};
use crate::process::{Line, Server};

/// Orders that are placed and awaited.
const ORDERS: usize = 3_000;
/// Orders whose client disconnects: half of them drop the connection, half drop the request.
const LEFT: usize = 300;
/// The number of HTTP/1 connection pools that the clients share.
const POOLS: usize = 4;

/// The result of an order as the client received it.
#[derive(Debug)]
struct Placed {
    order: i64,
    items: usize,
    total_cents: i64,
    paid: bool,
}

/// A row of the database.
#[derive(Debug)]
struct Row {
    number: usize,
    total_cents: i64,
    status: String,
    confirmed: bool,
    items: usize,
}

fn skus(number: usize) -> Vec<&'static str> {
    ["A-1", "BB-22", "CCC-333"][..=number % 3].to_vec()
}

#[test]
fn every_line_knows_its_request() {
    let server = Server::start(&["--pay-within", "4s", "--price-within", "1m"]);
    let runtime = Runtime::new().expect("a runtime");
    let placed = std::thread::scope(|scope| {
        scope.spawn(|| kill_connections(&server));
        runtime.block_on(place_all(&server))
    });
    let placed: HashMap<usize, Placed> = placed.into_iter().collect();
    assert_eq!(placed.len(), ORDERS);
    let paid = placed.values().filter(|placed| placed.paid).count();
    // A third of the orders is to be paid; on a very slow machine some of these may expire.
    assert!(paid >= ORDERS / 30, "only {paid} were paid in time");
    server.wait_for_lines(ORDERS - paid, |line| {
        line.site == "timer" && number(line).is_some_and(|number| placed.contains_key(&number))
    });
    let (lines, directory) = server.stop();
    let rows = read(&Connection::open(directory.database()).expect("the database"));
    check_each_line(&lines, &rows);
    check_database(&rows, &placed);
    check_none_missing(&lines, &rows, &placed);
}

async fn place_all(server: &Server) -> Vec<(usize, Placed)> {
    let pools: Arc<[Client]> = (0..POOLS).map(|_| Client::http1(server.address)).collect();
    let http2 = Client::http2(server.address);
    let mut clients = Vec::with_capacity(ORDERS);
    for number in 0..ORDERS {
        let client = if number % 2 == 0 {
            &http2
        } else {
            &pools[number % POOLS]
        }
        .clone();
        clients.push(framewise::spawn(async move {
            (number, place(&client, number).await)
        }));
    }
    // Separate connections, because a server may close a connection that resets many streams.
    let leavers: Vec<_> = (0..10).map(|_| Client::http2(server.address)).collect();
    let leaving: Vec<_> = (ORDERS..ORDERS + LEFT / 2)
        .map(|number| {
            let (turn, http1) = (number / 2 % leavers.len(), number % 2 == 0);
            let client = if http1 { &pools[0] } else { &leavers[turn] }.clone();
            framewise::spawn(async move { leave(&client, number).await })
        })
        .collect();
    let mut placed = Vec::with_capacity(ORDERS);
    for client in clients {
        placed.push(client.await.expect("no panic"));
    }
    for client in leaving {
        client.await.expect("no panic");
    }
    placed
}

async fn place(client: &Client, number: usize) -> Placed {
    let (id, tenant, customer) = (
        format!("r-{number}"),
        format!("t-{number}"),
        format!("c-{number}"),
    );
    let skus = skus(number);
    let body = order(&customer, &skus);
    let reply = client.send(("POST", "/orders"), (&id, &tenant), body).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.request_id),
        (201, &id),
        "{reply:?}"
    );
    assert_eq!(reply.json["customer"], *customer);
    assert_eq!(reply.json["status"], "open");
    let total_cents = reply.json["total_cents"].as_i64().expect("a number");
    let mut placed = Placed {
        order: reply.order(),
        items: skus.len(),
        total_cents,
        paid: false,
    };
    if number.is_multiple_of(3) {
        let (at, id) = (
            format!("/orders/{}/pay", placed.order),
            format!("p-{number}"),
        );
        let reply = client.send(("POST", &at), (&id, &tenant), "").await;
        assert_eq!(reply.request_id, id);
        placed.paid = reply.status == 200;
        if placed.paid {
            assert_eq!(
                (&reply.json["status"], reply.order()),
                (&"paid".into(), placed.order)
            );
        } else {
            assert_eq!(reply.status, 409, "{reply:?}");
            assert!(reply.error().contains("expired"), "{reply:?}");
        }
    }
    placed
}

/// Places an order and disconnects at a random stage of it.
async fn leave(client: &Client, number: usize) {
    let (id, tenant) = (format!("r-{number}"), format!("t-{number}"));
    let body = order(&format!("c-{number}"), &skus(number));
    let placing = client.try_send(("POST", "/orders"), (&id, &tenant), body);
    let timeout = Duration::from_millis((number % 50) as u64 * 5);
    // The response may arrive before the timeout; it is then ignored.
    let _ = framewise::time::timeout(timeout, placing).await;
}

/// Breaks connections: before the header is complete, within the body, with an unread response, and
/// right after an order.
fn kill_connections(server: &Server) {
    for number in ORDERS + LEFT / 2..ORDERS + LEFT {
        let body = order(&format!("c-{number}"), &skus(number));
        let whole = raw_order(&format!("r-{number}"), &format!("t-{number}"), &body, "");
        let mut stream = raw(server.address);
        match number % 4 {
            0 => stream.write_all(&whole.as_bytes()[..30]).expect("written"),
            1 => stream
                .write_all(&whole.as_bytes()[..whole.len() - 5])
                .expect("written"),
            2 => {
                let both = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n{whole}");
                stream.write_all(both.as_bytes()).expect("written");
                // A response has arrived and is not read, so closing now resets the connection.
                stream.peek(&mut [0]).expect("a reply");
            }
            _ => stream.write_all(whole.as_bytes()).expect("written"),
        }
    }
}

/// Returns the number in the id of a request that ordered (`r-`) or paid (`p-`).
fn number(line: &Line) -> Option<usize> {
    line.request_id.as_deref()?.get(2..)?.parse().ok()
}

/// Returns the order that a message names, if any.
fn order_in(message: &str) -> Option<i64> {
    let rest = &message[message.find("order ")? + "order ".len()..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn read(database: &Connection) -> HashMap<i64, Row> {
    let mut statement = database
        .prepare(
            "SELECT id, request_id, tenant, customer, total_cents, status, confirmed,
                    (SELECT count(*) FROM items WHERE order_id = orders.id),
                    (SELECT sum(quantity * cents) FROM items WHERE order_id = orders.id)
             FROM orders",
        )
        .expect("a statement");
    let rows = statement
        .query_map([], |row| {
            let names: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
            let number = names[0][2..].parse().expect("a number");
            let expected = [
                format!("r-{number}"),
                format!("t-{number}"),
                format!("c-{number}"),
            ];
            assert_eq!(names, expected, "the row of an order belongs together");
            let total_cents = row.get(4)?;
            assert_eq!(row.get::<_, i64>(8)?, total_cents);
            let (status, confirmed, items) = (row.get(5)?, row.get(6)?, row.get(7)?);
            Ok((
                row.get(0)?,
                Row {
                    number,
                    total_cents,
                    status,
                    confirmed,
                    items,
                },
            ))
        })
        .expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// Checks that each line's request, tenant, customer and order belong together.
fn check_each_line(lines: &[Line], rows: &HashMap<i64, Row>) {
    for line in lines {
        if line.site == "server" {
            let names = (&line.request_id, &line.tenant, &line.customer);
            assert_eq!(names, (&None, &None, &None), "{line:?}");
            continue;
        }
        let sites = ["handler", "price", "database", "timer", "job"];
        assert!(sites.contains(&line.site.as_str()), "{line:?}");
        let number = number(line).unwrap_or_else(|| panic!("of no request: {line:?}"));
        let id = line.request_id.as_deref().unwrap_or_default();
        assert!(
            id == format!("r-{number}") || id == format!("p-{number}"),
            "{line:?}"
        );
        assert_eq!(line.tenant, Some(format!("t-{number}")), "{line:?}");
        if let Some(customer) = &line.customer {
            assert_eq!(*customer, format!("c-{number}"), "{line:?}");
        }
        if let Some(order) = order_in(&line.message) {
            let row = rows
                .get(&order)
                .unwrap_or_else(|| panic!("no such order: {line:?}"));
            assert_eq!(row.number, number, "{line:?}");
            assert!(line.customer.is_some(), "{line:?}");
        }
    }
}

/// Checks that the database contains exactly what was acknowledged.
fn check_database(rows: &HashMap<i64, Row>, placed: &HashMap<usize, Placed>) {
    for (number, placed) in placed {
        let row = rows
            .get(&placed.order)
            .unwrap_or_else(|| panic!("lost: {placed:?}"));
        assert_eq!(
            (row.number, row.total_cents),
            (*number, placed.total_cents),
            "{placed:?}"
        );
        assert_eq!(row.items, placed.items, "{placed:?}");
        assert_eq!(
            row.status,
            if placed.paid { "paid" } else { "expired" },
            "{placed:?}"
        );
    }
    let placed_twice = rows.len()
        - rows
            .values()
            .map(|row| row.number)
            .collect::<std::collections::HashSet<_>>()
            .len();
    assert_eq!(
        placed_twice, 0,
        "a request may have been sent again behind the client's back"
    );
}

/// Checks that no line is missing or repeated, for each order in the database, whether or not its
/// client received the response.
fn check_none_missing(lines: &[Line], rows: &HashMap<i64, Row>, placed: &HashMap<usize, Placed>) {
    let mut by_request: HashMap<&str, Vec<&Line>> = HashMap::new();
    for line in lines {
        if let Some(id) = &line.request_id {
            by_request.entry(id).or_default().push(line);
        }
    }
    for (order, row) in rows {
        let id = format!("r-{}", row.number);
        let own = &by_request[&*id];
        let count = |site: &str, said: &str| {
            own.iter()
                .filter(|line| line.site == site && line.message.contains(said))
                .count()
        };
        let about = format!("order {order}");
        let expired = usize::from(row.status == "expired");
        assert!(row.confirmed, "{row:?}");
        assert_eq!(count("price", " costs "), row.items, "{row:?} {own:#?}");
        assert_eq!(
            count("handler", "asked for the price of"),
            row.items,
            "{row:?} {own:#?}"
        );
        assert_eq!(
            count("database", &format!("{about} written")),
            1,
            "{row:?} {own:#?}"
        );
        assert_eq!(
            count("database", "marked as confirmed"),
            1,
            "{row:?} {own:#?}"
        );
        assert_eq!(
            count("job", &format!("confirmation of {about} sent")),
            1,
            "{row:?} {own:#?}"
        );
        assert_eq!(
            count("timer", "was not paid in time"),
            expired,
            "{row:?} {own:#?}"
        );
        assert_eq!(count("timer", ""), expired, "{row:?} {own:#?}");
        assert_eq!(
            count("database", "marked as expired"),
            expired,
            "{row:?} {own:#?}"
        );
        if let Some(placed) = placed.get(&row.number) {
            assert_eq!(
                count("handler", &format!("{about} accepted")),
                1,
                "{row:?} {own:#?}"
            );
            if placed.paid {
                let paying = &by_request[&*format!("p-{}", row.number)];
                let paid: Vec<_> = paying
                    .iter()
                    .map(|line| (&*line.site, &*line.message))
                    .collect();
                let marked = format!("{about} marked as paid");
                let said = format!("{about} paid");
                assert_eq!(paid, [("database", &*marked), ("handler", &*said)]);
            }
        }
    }
}
