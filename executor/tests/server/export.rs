//! A response that is generated while it is sent: each of its queries and log lines belongs to its
//! request (C-89), on connections that requests share.

use framewise::runtime::Runtime;
use framewise::spawn;

use crate::client::{Client, order};
use crate::process::Server;

const TENANTS: usize = 6;
/// Orders of each tenant: more than fit on two pages.
const ORDERS: usize = 50;
/// Exports of each tenant, over each protocol.
const EXPORTS: usize = 3;

async fn place_and_export(server: &Server) {
    let clients = [Client::http1(server.address), Client::http2(server.address)];
    let mut placing = Vec::new();
    for tenant in 0..TENANTS {
        for number in 0..ORDERS {
            let client = clients[number % 2].clone();
            placing.push(spawn(async move {
                let (id, name) = (format!("r-{tenant}-{number}"), format!("t-{tenant}"));
                let body = order(&format!("c-{tenant}"), &["A-1"]);
                let reply = client.send(("POST", "/orders"), (&id, &name), body).await;
                assert_eq!(reply.status, 201, "{reply:?}");
            }));
        }
    }
    for order in placing {
        order.await.expect("no panic");
    }
    let mut exporting = Vec::new();
    for number in 0..EXPORTS {
        for tenant in 0..TENANTS {
            for (protocol, client) in clients.iter().cloned().enumerate() {
                exporting.push(spawn(async move {
                    let id = format!("e-{tenant}-{protocol}-{number}");
                    let names = (&*id, &*format!("t-{tenant}"));
                    let lines = client.lines("/orders/export", names).await;
                    assert_eq!(lines.len(), ORDERS, "{id}");
                    for line in lines {
                        assert_eq!(line["customer"], *format!("c-{tenant}"), "{id}");
                    }
                }));
            }
        }
    }
    for export in exporting {
        export.await.expect("no panic");
    }
}

#[test]
fn c89_a_streamed_reply_knows_its_request_in_every_query_and_line() {
    let server = Server::start(&["--pay-within", "1h", "--price-within", "1m"]);
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(place_and_export(&server));
    let (lines, _) = server.stop();
    for tenant in 0..TENANTS {
        for protocol in 0..2 {
            for number in 0..EXPORTS {
                let id = format!("e-{tenant}-{protocol}-{number}");
                let own = lines
                    .iter()
                    .filter(|line| line.request_id.as_ref() == Some(&id));
                let own: Vec<_> = own
                    .map(|line| {
                        assert_eq!(line.tenant, Some(format!("t-{tenant}")), "{line:?}");
                        (&*line.site, &*line.message)
                    })
                    .collect();
                let pages = own.iter().filter(|(site, message)| {
                    *site == "database"
                        && message.starts_with("orders ")
                        && message.ends_with(" read")
                });
                assert_eq!(pages.count(), ORDERS.div_ceil(20), "{id}: {own:?}");
                let done = format!("{ORDERS} orders exported");
                assert_eq!(own.last(), Some(&("handler", &*done)), "{id}: {own:?}");
                assert_eq!(own.len(), ORDERS.div_ceil(20) + 1, "{id}: {own:?}");
            }
        }
    }
    let stray = lines
        .iter()
        .find(|line| line.site != "server" && (line.request_id.is_none() || line.tenant.is_none()));
    assert!(stray.is_none(), "of no request: {stray:?}");
}
