//! tokio-postgres on a real server: over our own sockets, which have tokio's traits, with nothing
//! to set up, and over tokio's by `Builder::tokio_compat`.

use framewise::net::UnixStream;
use framewise::runtime::Runtime;
use futures::{StreamExt, TryStreamExt};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use super::services::{self, Service};
use super::{REQUEST, REQUESTS, for_each_request, plain, with_tokio};

fn configuration(service: &Service) -> Config {
    let mut configuration = Config::new();
    configuration
        .host_path(service.directory())
        .port(service.port)
        .user("tests")
        .dbname("postgres");
    configuration
}

/// Connects over a socket of framewise.
async fn over_ours(service: &Service) -> Client {
    let path = format!("{}/.s.PGSQL.{}", service.directory(), service.port);
    let stream = UnixStream::connect(path).await.unwrap();
    let configuration = configuration(service);
    let (client, connection) = configuration.connect_raw(stream, NoTls).await.unwrap();
    // It serves every request that uses the client, so it belongs to none.
    drop(framewise::spawn_root(connection));
    client
}

/// Connects over a socket of tokio's.
async fn over_tokios(service: &Service) -> Client {
    let (client, connection) = configuration(service).connect(NoTls).await.unwrap();
    drop(framewise::spawn_root(connection));
    client
}

async fn schema(client: &Client) {
    let schema = "drop table if exists lines; create table lines (request bigint, line bigint)";
    client.batch_execute(schema).await.unwrap();
}

/// Requests share the client's connection, which pipelines their queries.
async fn query_for_each_request(client: Client) {
    let client = std::sync::Arc::new(client);
    for_each_request(|number| {
        let client = std::sync::Arc::clone(&client);
        async move {
            let request = i64::try_from(number).unwrap();
            let insert = "insert into lines values ($1, $2)";
            for line in 0..10_i64 {
                let inserted = client.execute(insert, &[&request, &line]).await.unwrap();
                assert_eq!((inserted, REQUEST.get()), (1, Some(number)));
            }
            let select = "select line from lines where request = $1 order by line";
            let rows = client.query_raw(select, [&request]).await.unwrap();
            let mut rows = std::pin::pin!(rows);
            let mut lines = 0_i64;
            while let Some(row) = rows.try_next().await.unwrap() {
                assert_eq!(REQUEST.get(), Some(number));
                assert_eq!(row.get::<_, i64>(0), lines);
                lines += 1;
            }
            assert_eq!(lines, 10);
        }
    })
    .await;
    let row = client.query_one("select count(*) from lines", &[]);
    let count: i64 = row.await.unwrap().get(0);
    assert_eq!(count, 10 * i64::try_from(REQUESTS).unwrap());
}

#[test]
fn queries_and_streams_of_rows_keep_each_requests_frame() {
    let Some(service) = services::postgres() else {
        return;
    };
    for workers in [1, 2, 8] {
        plain(workers).block_on(async {
            let client = over_ours(&service).await;
            schema(&client).await;
            query_for_each_request(client).await;
        });
        with_tokio(workers).block_on(async {
            let client = over_tokios(&service).await;
            schema(&client).await;
            query_for_each_request(client).await;
        });
    }
    transactions_of_requests_are_apart(&plain(2), &service);
    notifications_arrive_in_the_listeners_frame(&plain(2), &service);
}

/// Each request has a connection of its own; every third transaction is dropped, which rolls back.
fn transactions_of_requests_are_apart(runtime: &Runtime, service: &Service) {
    runtime.block_on(async {
        let client = over_ours(service).await;
        schema(&client).await;
        for number in 0..12_u64 {
            let mut own = over_ours(service).await;
            let work = REQUEST.scope(number, async move {
                let transaction = own.transaction().await.unwrap();
                let request = i64::try_from(number).unwrap();
                let insert = "insert into lines values ($1, 0)";
                transaction.execute(insert, &[&request]).await.unwrap();
                assert_eq!(REQUEST.get(), Some(number));
                if !number.is_multiple_of(3) {
                    transaction.commit().await.unwrap();
                }
                assert_eq!(REQUEST.get(), Some(number));
            });
            framewise::spawn(work).await.unwrap();
        }
        let row = client.query_one("select count(*) from lines", &[]);
        let count: i64 = row.await.unwrap().get(0);
        assert_eq!(count, 8);
    });
}

fn notifications_arrive_in_the_listeners_frame(runtime: &Runtime, service: &Service) {
    runtime.block_on(REQUEST.scope(7, async {
        let path = format!("{}/.s.PGSQL.{}", service.directory(), service.port);
        let stream = UnixStream::connect(path).await.unwrap();
        let configuration = configuration(service);
        let connecting = configuration.connect_raw(stream, NoTls);
        let (client, mut connection) = connecting.await.unwrap();
        let listening = framewise::spawn(async move {
            let mut messages = futures::stream::poll_fn(move |cx| connection.poll_message(cx));
            while let Some(message) = messages.next().await {
                if let AsyncMessage::Notification(notification) = message.unwrap() {
                    return (notification.payload().to_owned(), REQUEST.get());
                }
            }
            panic!("the connection ended");
        });
        client.batch_execute("listen news").await.unwrap();
        let other = over_ours(service).await;
        other.batch_execute("notify news, 'hello'").await.unwrap();
        assert_eq!(listening.await.unwrap(), ("hello".to_owned(), Some(7)));
    }));
}
