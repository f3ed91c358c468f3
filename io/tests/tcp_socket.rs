//! TCP sockets whose options are set first.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use common::Reactor;
use framewise_io::net::{TcpListener, TcpSocket};

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn a_socket_listens_and_another_connects_from_a_bound_port() {
    Reactor::new().run(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(any_port()).unwrap();
        let listener = socket.listen(16).unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpSocket::new_v4().unwrap();
        client.bind(any_port()).unwrap();
        let client_address = client.local_addr().unwrap();
        let (client, accepted) = futures::join!(client.connect(address), listener.accept());
        let (server, peer) = accepted.unwrap();
        assert_eq!(peer, client_address);
        client.unwrap().write_all(b"hello").await.unwrap();
        server.read_exact(&mut [0; 5]).await.unwrap();
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    Reactor::new().run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let socket = TcpSocket::new_v4().unwrap();
        let error = socket.connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let v6 = TcpSocket::new_v6().unwrap();
        assert!(v6.connect(address).await.is_err(), "the wrong family");
    });
}

#[test]
fn options_are_set_before_and_kept_after() {
    Reactor::new().run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_keepalive(true).unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.set_linger(Some(Duration::from_millis(500))).unwrap();
        socket.set_send_buffer_size(50_000).unwrap();
        socket.set_recv_buffer_size(60_000).unwrap();
        socket.set_tos_v4(16).unwrap();
        assert!(socket.keepalive().unwrap());
        assert!(socket.reuseaddr().unwrap());
        assert!(socket.send_buffer_size().unwrap() >= 50_000);
        assert!(socket.recv_buffer_size().unwrap() >= 60_000);
        assert_eq!(socket.tos_v4().unwrap(), 16);
        assert!(socket.take_error().unwrap().is_none());
        let address = listener.local_addr().unwrap();
        let stream = socket.connect(address).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(1)));
        stream.set_zero_linger().unwrap();
        assert_eq!(stream.linger().unwrap(), Some(Duration::ZERO));
        #[cfg(target_os = "linux")]
        {
            stream.set_quickack(true).unwrap();
            assert!(stream.quickack().unwrap());
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn two_listeners_share_a_port() {
    Reactor::new().run(async {
        let listen = |address| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseport(true).unwrap();
            assert!(socket.reuseport().unwrap());
            socket.bind(address).map(|()| socket.listen(16).unwrap())
        };
        let one = listen(any_port()).unwrap();
        let address = one.local_addr().unwrap();
        let _other = listen(address).unwrap();
        let alone = TcpSocket::new_v4().unwrap();
        assert_eq!(
            alone.bind(address).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
    });
}

/// What arrives of it at the listener is closed; it may not arrive at all.
#[test]
fn a_dropped_connect_closes_its_socket() {
    Reactor::new().run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let dropped = TcpSocket::new_v4().unwrap();
        dropped.bind(any_port()).unwrap();
        let port = dropped.local_addr().unwrap();
        let _ = pin!(dropped.connect(address)).poll(&mut Context::from_waker(Waker::noop()));
        let last = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            if peer == last.local_addr().unwrap() {
                break;
            }
            assert_eq!(peer, port);
            assert!(!matches!(stream.read(&mut [0; 1]).await, Ok(1..)));
        }
    });
}

#[test]
fn outside_of_a_runtime_listening_is_an_error() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(any_port()).unwrap();
    assert!(socket.listen(1).is_err());
}
