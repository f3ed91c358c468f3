//! Resolving names and addresses to socket addresses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::Reactor;
use framewise_io::net::{TcpListener, ToSocketAddrs, lookup_host};
use framewise_io::{BlockingSpawner, IoDriver};
use futures::executor::block_on;

fn resolved(host: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    block_on(lookup_host(host)).map(Iterator::collect)
}

/// There is no runtime here, so no closure can run on its pool.
#[test]
fn addresses_are_resolved_at_once() {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 80));
    assert_eq!(resolved(v4).unwrap(), [v4]);
    assert_eq!(resolved("127.0.0.1:80").unwrap(), [v4]);
    assert_eq!(resolved(String::from("[::1]:80")).unwrap(), [v6]);
    assert_eq!(resolved(("127.0.0.1", 80)).unwrap(), [v4]);
    assert_eq!(resolved((String::from("::1"), 80)).unwrap(), [v6]);
    assert_eq!(
        resolved((IpAddr::from(Ipv4Addr::LOCALHOST), 80)).unwrap(),
        [v4]
    );
    assert_eq!(resolved((Ipv6Addr::LOCALHOST, 80)).unwrap(), [v6]);
    assert_eq!(resolved(&[v4, v6][..]).unwrap(), [v4, v6]);
    let host = String::from("127.0.0.1:80");
    assert_eq!(resolved(&host).unwrap(), [v4]);
    assert_eq!(resolved(host).unwrap(), [v4]);
}

#[test]
fn the_error_of_a_malformed_address_names_the_problem() {
    for host in [
        "localhost",
        "127.0.0.1",
        "localhost:http",
        "localhost:70000",
        "",
    ] {
        let error = resolved(host).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{host}");
        assert!(error.to_string().contains("port"), "{error}");
    }
}

#[test]
fn a_name_is_looked_up_on_the_pool() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ran);
    let spawner: BlockingSpawner = Arc::new(move |job| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::thread::spawn(job);
        Ok(())
    });
    let (_driver, handle) = IoDriver::new(spawner).unwrap();
    let _guard = handle.enter();
    let addresses = resolved("localhost:80").unwrap();
    assert!(
        addresses
            .iter()
            .all(|address| address.ip().is_loopback() && address.port() == 80)
    );
    assert!(!addresses.is_empty());
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    assert_eq!(resolved(("localhost", 81)).unwrap().len(), addresses.len());
    assert_eq!(ran.load(Ordering::Relaxed), 2);
}

#[test]
fn a_listener_binds_to_a_name() {
    Reactor::new().run(async {
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
    });
}

#[test]
fn a_pool_that_rejects_or_drops_the_closure_is_an_error() {
    let rejecting: BlockingSpawner = Arc::new(|_| Err(io::Error::other("the pool is closed")));
    let dropping: BlockingSpawner = Arc::new(|job| {
        std::thread::spawn(move || drop(job));
        Ok(())
    });
    for (spawner, message) in [
        (rejecting, "the pool is closed"),
        (dropping, "shutting down"),
    ] {
        let (_driver, handle) = IoDriver::new(spawner).unwrap();
        let _guard = handle.enter();
        let error = resolved("localhost:80").unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn without_a_runtime_a_name_is_an_error() {
    assert!(
        resolved("localhost:80")
            .unwrap_err()
            .to_string()
            .contains("within a runtime")
    );
}
