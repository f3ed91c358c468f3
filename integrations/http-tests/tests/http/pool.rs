//! hyper-util's pooled client on framewise (C-56, C-57, C-90): a connection that the first request
//! opened neither exposes the first request's frame to the second one nor keeps its values alive.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use framewise::bind;
use framewise::hyper::{Connector, FramewiseExecutor, FramewiseTimer};
use framewise::runtime::Runtime;
use hyper::Uri;
use hyper::body::Body;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::Connect;
use tower::ServiceExt;

use crate::bodies::{Bound, MESSAGES, exchange, server_that_binds};
use crate::glue::{Protocol, in_frames};
use crate::messages::{DropTracker, Messages};
use framewise_test_support::{ID, KEPT, everywhere};

/// Creates a pool with everything that hyper-util spawns for it: the drivers, and the task that
/// closes idle connections. Its connections lead to `address`, and are counted.
fn pool<B>(
    protocol: Protocol,
    address: SocketAddr,
    executor: FramewiseExecutor,
) -> (
    legacy::Client<impl Connect + Clone + Send + Sync + 'static, B>,
    Arc<AtomicUsize>,
)
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
{
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let connector = Connector::new().map_request(move |_: Uri| {
        count.fetch_add(1, Ordering::SeqCst);
        Uri::try_from(format!("http://{address}/")).unwrap()
    });
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
    let server = runtime.block_on(server_that_binds(&drops, &bound));
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
            let server = runtime.block_on(server_that_binds(&drops, &bound));
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
