//! A peer that resets its connection, at each point of an exchange.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use framewise::ContextVar;
use framewise::net::{TcpListener, TcpStream};
use framewise_test_support::on_workers;

static CONNECTION: ContextVar<u64> = ContextVar::new("connection");

const REQUEST: usize = 1000;
/// More than the buffers of both sides hold, so that the server waits while it writes.
const RESPONSE: usize = 16 << 20;

/// Where the client resets.
#[derive(Clone, Copy, Debug)]
enum Point {
    Connected,
    AfterPartOfRequest,
    AfterRequest,
    AfterPartOfResponse,
    /// It does not: the exchange succeeds.
    Never,
}

const POINTS: [Point; 5] = [
    Point::Connected,
    Point::AfterPartOfRequest,
    Point::AfterRequest,
    Point::AfterPartOfResponse,
    Point::Never,
];

async fn answer(stream: TcpStream) -> io::Result<()> {
    let mut request = [0; REQUEST];
    stream.read_exact(&mut request).await?;
    // Reading goes on meanwhile, as a server does that notices a client that leaves.
    let reading = async { stream.read(&mut [0]).await };
    let writing = async { stream.write_all(&vec![7; RESPONSE]).await };
    let (read, written) = futures::join!(reading, writing);
    read.and(written)
}

/// Ends the connection by a reset: what is under way is thrown away on both sides.
fn reset(stream: TcpStream) {
    stream.set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

async fn exchange(address: SocketAddr, point: Point) {
    let stream = TcpStream::connect(address).await.unwrap();
    match point {
        Point::Connected => return reset(stream),
        Point::AfterPartOfRequest => {
            stream.write_all(&[1; REQUEST / 2]).await.unwrap();
            return reset(stream);
        }
        _ => stream.write_all(&[1; REQUEST]).await.unwrap(),
    }
    match point {
        Point::AfterRequest => return reset(stream),
        Point::AfterPartOfResponse => {
            stream.read_exact(&mut [0; 100_000]).await.unwrap();
            return reset(stream);
        }
        _ => {}
    }
    let mut response = vec![0; RESPONSE];
    stream.read_exact(&mut response).await.unwrap();
    assert!(response.iter().all(|&byte| byte == 7));
}

#[test]
fn a_reset_at_any_point_ends_its_connection_with_an_error_and_no_other() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
            let serving = framewise::spawn({
                let counts = Arc::clone(&counts);
                async move {
                    let mut connections = Vec::new();
                    while connections.len() < 4 * POINTS.len() {
                        // A connection that was reset in the queue may be an error here.
                        let Ok((stream, _)) = listener.accept().await else {
                            connections.push(None);
                            continue;
                        };
                        let number = connections.len() as u64;
                        let counts = Arc::clone(&counts);
                        let connection = CONNECTION.scope(number, async move {
                            let answered = answer(stream).await;
                            assert_eq!(CONNECTION.get(), Some(number));
                            counts[usize::from(answered.is_ok())].fetch_add(1, Ordering::Relaxed);
                            if let Err(error) = answered {
                                let kind = error.kind();
                                assert!(
                                    matches!(
                                        kind,
                                        io::ErrorKind::ConnectionReset
                                            | io::ErrorKind::BrokenPipe
                                            | io::ErrorKind::UnexpectedEof
                                    ),
                                    "{error}"
                                );
                            }
                        });
                        connections.push(Some(framewise::spawn(connection)));
                    }
                    for connection in connections.into_iter().flatten() {
                        connection.await.unwrap();
                    }
                }
            });
            let clients: Vec<_> = POINTS
                .into_iter()
                .cycle()
                .take(4 * POINTS.len())
                .map(|point| framewise::spawn(exchange(address, point)))
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            serving.await.unwrap();
            let [failed, succeeded] = [0, 1].map(|index| counts[index].load(Ordering::Relaxed));
            assert_eq!(succeeded, 4, "those of Point::Never");
            assert!(failed <= 16);
        });
    });
}

/// A listener goes on when connections are reset before they are accepted.
#[test]
fn connections_that_are_reset_in_the_queue_do_not_end_the_listener() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            for _ in 0..20 {
                reset(TcpStream::connect(address).await.unwrap());
            }
            let sound = TcpStream::connect(address).await.unwrap();
            sound.write_all(b"sound").await.unwrap();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let mut buffer = [0; 5];
                if stream.read_exact(&mut buffer).await.is_ok() {
                    assert_eq!(&buffer, b"sound");
                    break;
                }
            }
        });
    });
}
