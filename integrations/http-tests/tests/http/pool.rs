//! hyper-util's pooled client on framewise (C-56, C-57, C-90): a connection that the first request
//! opened neither exposes the first request's frame to the second one nor keeps its values alive.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use framewise::bind;
use framewise::hyper::{FramewiseExecutor, FramewiseTimer};
use framewise::net::TcpStream;
use framewise::runtime::Runtime;
use hyper::Uri;
use hyper::body::Body;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};

use crate::bodies::{Bound, MESSAGES, exchange, server_that_binds};
use crate::glue::{Protocol, in_frames};
use crate::messages::{DropTracker, Messages};
use framewise_test_support::{ID, KEPT, everywhere};

/// Opens connections and counts them.
#[derive(Clone)]
struct Connector {
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
}

impl tower::Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let address = self.address;
        Box::pin(async move { Ok(Stream(TcpStream::connect(address).await?)) })
    }
}

struct Stream(TcpStream);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Read::poll_read(Pin::new(&mut self.0), cx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Write::poll_write(Pin::new(&mut self.0), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_flush(Pin::new(&mut self.0), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_shutdown(Pin::new(&mut self.0), cx)
    }
}

/// Creates a pool with everything that hyper-util spawns for it: the drivers, and the task that
/// closes idle connections.
fn pool<B>(
    protocol: Protocol,
    address: SocketAddr,
    executor: FramewiseExecutor,
) -> (legacy::Client<Connector, B>, Arc<AtomicUsize>)
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
{
    let opened = Arc::new(AtomicUsize::new(0));
    let connector = Connector {
        address,
        opened: Arc::clone(&opened),
    };
    let client = legacy::Client::builder(executor)
        .http2_only(protocol == Protocol::Http2)
        .pool_timer(FramewiseTimer::new())
        .pool_idle_timeout(Duration::from_secs(3600))
        .build(connector);
    (client, opened)
}

/// Sends requests one after the other, each in its own frame, while the pool keeps their
/// connections.
fn check_pooled(runtime: &Runtime, protocol: Protocol) {
    let (drops, bound) = (DropTracker::default(), Bound::default());
    let server = runtime.block_on(server_that_binds(protocol, &drops, &bound));
    let (client, opened) = pool(protocol, server.address, FramewiseExecutor::new());
    for id in 1..=4 {
        let (kept, drops) = (Arc::new(()), drops.clone());
        let mut client = in_frames(client.clone());
        let frame = bind(&ID, id).and(&KEPT, Arc::clone(&kept)).frame();
        let request = async move { exchange(&mut client, &drops, id).await };
        let request = frame.run(|| runtime.spawn(request));
        drop(frame);
        let (sent, received) = runtime.block_on(request).unwrap();
        assert_eq!((sent.messages, sent.wrong), (MESSAGES, 0), "{protocol:?}");
        assert_eq!(
            (received.messages, received.wrong),
            (MESSAGES, 0),
            "{protocol:?}"
        );
        // All values of the request are freed while the pool and its connections are alive.
        while Arc::strong_count(&kept) > 1 {
            std::thread::yield_now();
        }
        assert_eq!(bound.wait_until_freed(), id as usize);
    }
    if protocol == Protocol::Http2 {
        assert_eq!(opened.load(Ordering::SeqCst), 1, "one connection is shared");
    }
    drop(client);
}

#[test]
fn c90_a_pooled_connection_shows_each_request_itself_and_keeps_none() {
    everywhere(|runtime, _| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            check_pooled(runtime, protocol);
        }
    });
}

/// Control: without the layer and the root frame, the second request's body is made in the first
/// request's frame or in none.
#[test]
fn without_the_layer_a_pools_bodies_are_those_of_the_drivers_frame() {
    everywhere(|runtime, _| {
        for (executor, expected) in [
            (FramewiseExecutor::new(), 0),
            (FramewiseExecutor::inheriting(), 7),
        ] {
            let (drops, bound) = (DropTracker::default(), Bound::default());
            let protocol = Protocol::Http2;
            let server = runtime.block_on(server_that_binds(protocol, &drops, &bound));
            let (client, _) = pool::<Messages>(protocol, server.address, executor);
            let mut trailers = Vec::new();
            for id in [7, 8] {
                let (mut client, drops) = (client.clone(), drops.clone());
                let request = async move { exchange(&mut client, &drops, id).await };
                let request = ID.run(id, || runtime.spawn(request));
                trailers.push(runtime.block_on(request).unwrap().0.trailer.unwrap_or(0));
            }
            assert_eq!(trailers, [expected, expected]);
        }
    });
}
