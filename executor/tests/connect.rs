//! `TcpStream::connect` to several addresses: those that do not answer, refuse, or cannot be
//! reached. (The order and the times of the attempts are tested in `io/src/net/connect/tests.rs`.)
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use framewise::bind;
use framewise::net::{TcpListener, TcpSocket, TcpStream};
use framewise::runtime::{Builder, Runtime};
use framewise::task::yield_now;
use framewise::time::timeout;
use framewise_test_support::{ID, bound_here, everywhere, on_workers};

/// An address that does not answer: a listener whose queue is full. Dropping it closes all.
struct Blackhole {
    listener: TcpListener,
    _queued: TcpStream,
}

impl Blackhole {
    /// Makes one of this address of the loopback network.
    async fn new(last: u8) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind((Ipv4Addr::new(127, 0, 0, last), 0).into())
            .unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        // A queue of length 0 has room for one connection.
        let queued = TcpStream::connect(address).await.unwrap();
        while sockets(|local, _, state| local == address && state == LISTEN, 1) == 0 {
            yield_now().await;
        }
        Self {
            listener,
            _queued: queued,
        }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

/// Returns an address that refuses connections: its listener is closed.
fn refusing() -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Returns an address that no connection can reach: that of all hosts.
fn unreachable() -> SocketAddr {
    (Ipv4Addr::BROADCAST, 80).into()
}

#[test]
fn c59_an_address_that_does_not_answer_does_not_keep_the_next_from_winning() {
    everywhere(|runtime, id| {
        runtime.block_on(async {
            let blackhole = Blackhole::new(2).await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let good = listener.local_addr().unwrap();
            let addresses = [blackhole.address(), good];
            let connecting = framewise::spawn(async move {
                let stream = TcpStream::connect(&addresses[..]).await.unwrap();
                (stream.peer_addr().unwrap(), ID.get())
            });
            let (_accepted, _) = listener.accept().await.unwrap();
            assert_eq!(connecting.await.unwrap(), (good, id));
        });
    });
}

#[test]
fn addresses_that_refuse_or_cannot_be_reached_are_passed_over() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let good = listener.local_addr().unwrap();
            let addresses = [refusing(), unreachable(), good];
            let stream = TcpStream::connect(&addresses[..]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), good);
        });
    });
}

#[test]
fn a_name_with_addresses_of_both_families_connects_to_the_one_that_listens() {
    on_workers(|runtime| {
        runtime.block_on(async {
            // `localhost` is often [::1] first, where no one listens.
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let stream = TcpStream::connect(("localhost", port)).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        });
    });
}

#[test]
fn if_all_fail_the_error_of_a_host_that_answered_is_returned() {
    on_workers(|runtime| {
        let connect = |addresses: &[SocketAddr]| {
            let connected = runtime.block_on(TcpStream::connect(addresses));
            connected.unwrap_err().kind()
        };
        assert_eq!(
            connect(&[refusing(), unreachable()]),
            io::ErrorKind::ConnectionRefused
        );
        assert_eq!(
            connect(&[refusing(), refusing()]),
            io::ErrorKind::ConnectionRefused
        );
        assert_eq!(connect(&[]), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn connecting_that_is_dropped_closes_every_socket_and_keeps_nothing_of_the_frame() {
    let runtime = Builder::new().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let holes = [Blackhole::new(3).await, Blackhole::new(4).await];
        let addresses = holes.each_ref().map(Blackhole::address);
        let under_way = || addresses.map(connections_under_way);
        let (frame, site) = bound_here(bind(&ID, 7));
        let connect = async move { TcpStream::connect(&addresses[..]).await.map(drop) };
        let mut connecting = Box::pin(frame.scope(connect));
        // Both attempts are under way after a quarter of a second.
        while under_way() != [1, 1] {
            let some_time = timeout(Duration::from_millis(10), &mut connecting);
            assert!(some_time.await.is_err());
        }
        drop(connecting);
        assert_eq!(under_way(), [0, 0]);
        site.assert_live(0);
    });
}

#[test]
fn connecting_ends_with_the_runtime() {
    let other = Runtime::new().unwrap();
    let blackhole = other.block_on(Blackhole::new(5));
    let addresses = [blackhole.address(); 2];
    let runtime = Builder::new().worker_threads(1).build().unwrap();
    let (waits, has_waited) = std::sync::mpsc::channel();
    let task = runtime.spawn(async move {
        let mut connecting = Box::pin(TcpStream::connect(&addresses[..]));
        assert!(futures::poll!(&mut connecting).is_pending());
        waits.send(()).unwrap();
        connecting.await.map(drop)
    });
    has_waited.recv().unwrap();
    drop(runtime);
    assert!(other.block_on(task).unwrap_err().is_cancelled());
}

const SYN_SENT: &str = "02";
const LISTEN: &str = "0A";

/// Returns the number of sockets that wait for an answer of that address.
fn connections_under_way(to: SocketAddr) -> usize {
    sockets(|_, remote, state| remote == to && state == SYN_SENT, 0)
}

/// Counts the IPv4 sockets of which `is_meant` is true of the local and the remote address and the
/// state, and for which at least `queued` bytes or connections wait.
fn sockets(is_meant: impl Fn(SocketAddr, SocketAddr, &str) -> bool, queued: u32) -> usize {
    let address = |field: &str| {
        let (ip, port) = field.split_once(':').unwrap();
        let ip = u32::from_str_radix(ip, 16).unwrap().to_ne_bytes();
        SocketAddr::from((ip, u16::from_str_radix(port, 16).unwrap()))
    };
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let sockets = table.lines().skip(1).filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (_, waiting) = fields[4].split_once(':').unwrap();
        is_meant(address(fields[1]), address(fields[2]), fields[3])
            && u32::from_str_radix(waiting, 16).unwrap() >= queued
    });
    sockets.count()
}
