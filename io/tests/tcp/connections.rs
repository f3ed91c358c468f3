//! Connections: how they start and end, and the options of their sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::Duration;

use framewise_io::net::{TcpListener, TcpStream};
use framewise_io::{Interest, IoHandle};
use futures::future::join_all;

use crate::common::{Reactor, pair};

#[test]
fn the_end_is_read_after_what_was_sent_before_it() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        client.write_all(b"last words").await.unwrap();
        drop(client);
        // Until the end is reported, so that it comes together with the bytes.
        while !server
            .ready(Interest::READABLE)
            .await
            .unwrap()
            .is_read_closed()
        {
            std::thread::yield_now();
        }
        let mut buffer = [0; 64];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 10);
        for _ in 0..3 {
            assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_half_closed_stream_is_written_to_still() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        client.shut_down(Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
        server.write_all(b"bye").await.unwrap();
        let mut buffer = [0; 3];
        client.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"bye");
        let error = client.write_all(b"no").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_reset_ends_a_read_with_an_error() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        client.set_linger(Some(Duration::ZERO)).unwrap();
        assert_eq!(client.linger().unwrap(), Some(Duration::ZERO));
        drop(client);
        let error = server.read(&mut [0; 4]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(
            server.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

/// A linger time below a second is no reset.
#[test]
fn a_linger_of_half_a_second_loses_no_data() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        let half = Duration::from_millis(500);
        client.set_linger(Some(half)).unwrap();
        assert_eq!(client.linger().unwrap(), Some(Duration::from_secs(1)));
        client.write_all(b"last words").await.unwrap();
        drop(client);
        let mut buffer = [0; 10];
        server.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"last words");
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
    });
}

/// The kernel counts whole seconds: the linger time is never shorter than the requested one.
#[test]
fn a_linger_is_rounded_up_to_whole_seconds() {
    Reactor::new().run(async {
        let (client, _server) = pair().await;
        let rounded = |linger| {
            client.set_linger(linger).unwrap();
            client.linger().unwrap()
        };
        assert_eq!(rounded(None), None);
        assert_eq!(rounded(Some(Duration::ZERO)), Some(Duration::ZERO));
        let second = Duration::from_secs(1);
        let nano = Duration::from_nanos(1);
        assert_eq!(rounded(Some(nano)), Some(second));
        assert_eq!(rounded(Some(second)), Some(second));
        assert_eq!(rounded(Some(second + nano)), Some(2 * second));
        let longest = rounded(Some(Duration::MAX)).unwrap();
        assert!(longest >= second * i16::MAX.unsigned_abs().into());
        assert_eq!(rounded(Some(Duration::MAX - second)), Some(longest));
    });
}

#[test]
fn a_refused_connection_is_an_error_and_the_next_address_is_tried() {
    Reactor::new().run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let error = TcpStream::connect(closed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let stream = TcpStream::connect(&[closed, open][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let error = TcpStream::connect(&[][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn binding_tries_each_address() {
    Reactor::new().run(async {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = (taken.local_addr().unwrap(), taken);
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let error = TcpListener::bind(taken.0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let listener = TcpListener::bind(&[taken.0, free][..]).await.unwrap();
        assert_ne!(listener.local_addr().unwrap(), taken.0);
    });
}

#[test]
fn many_connections_at_once() {
    const CONNECTIONS: usize = 200;
    let reactor = Reactor::new();
    let listener = reactor.run(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let server = reactor.spawn(async move {
        let accept = async |_| {
            let (stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 8];
            stream.read_exact(&mut buffer).await.unwrap();
            stream.write_all(&buffer).await.unwrap();
        };
        // All of them accept from one listener at once.
        join_all((0..CONNECTIONS).map(accept)).await;
    });
    reactor.run(join_all((0..CONNECTIONS).map(async |index| {
        let stream = TcpStream::connect(address).await.unwrap();
        let message = (index as u64).to_le_bytes();
        stream.write_all(&message).await.unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, message);
    })));
    server.join().unwrap();
}

#[test]
fn std_sockets_come_and_go() {
    let reactor = Reactor::new();
    reactor.run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut blocking = std::net::TcpStream::connect(address).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, blocking.local_addr().unwrap());
        blocking.write_all(b"ping").unwrap();
        let mut buffer = [0; 4];
        server.read_exact(&mut buffer).await.unwrap();

        let mut server = server.into_std().unwrap();
        server.set_nonblocking(false).unwrap();
        server.write_all(b"pong").unwrap();
        let client = TcpStream::from_std(blocking).unwrap();
        client.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"pong");
        client.write_all(b"back").await.unwrap();
        server.read_exact(&mut buffer).unwrap();

        let listener = listener.into_std().unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(listener.local_addr().unwrap(), address);
    });
}

#[test]
fn options_are_the_sockets_own() {
    Reactor::new().run(async {
        let (client, _server) = pair().await;
        for value in [true, false] {
            client.set_nodelay(value).unwrap();
            assert_eq!(client.nodelay().unwrap(), value);
        }
        client.set_ttl(42).unwrap();
        assert_eq!(client.ttl().unwrap(), 42);
        assert_eq!(client.linger().unwrap(), None);
        client.set_linger(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(client.linger().unwrap(), Some(Duration::from_secs(3)));
        client.set_linger(None).unwrap();
        assert_eq!(client.linger().unwrap(), None);
        assert!(client.take_error().unwrap().is_none());
    });
}

#[test]
fn outside_of_a_runtime_sockets_are_an_error() {
    assert!(IoHandle::try_current().is_none());
    let error = futures::executor::block_on(TcpListener::bind("127.0.0.1:0")).unwrap_err();
    assert!(error.to_string().contains("within a runtime"), "{error}");
    let error = futures::executor::block_on(TcpStream::connect("127.0.0.1:1")).unwrap_err();
    assert!(error.to_string().contains("within a runtime"), "{error}");
}

#[test]
fn after_shutdown_waits_and_registrations_fail() {
    let mut reactor = Reactor::new();
    let (client, server) = reactor.run(pair());
    let waiting = reactor.spawn(async move {
        let error = server.read(&mut [0; 4]).await.unwrap_err();
        (server, error)
    });
    // The read waits, or is about to. It must end in both cases.
    reactor.stop();
    let (server, error) = waiting.join().unwrap();
    assert!(error.to_string().contains("shutting down"), "{error}");
    reactor.run(async {
        assert!(client.writable().await.is_err());
        assert!(server.read(&mut [0; 4]).await.is_err());
        let error = TcpListener::bind("127.0.0.1:0").await.unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
        assert!(server.on_ready(Interest::READABLE, |_| {}).is_err());
    });
}

/// A client's first message is mostly there when its connection is accepted: no event is needed.
#[test]
fn an_accepted_stream_is_taken_to_be_readable() {
    use std::io::Write;

    Reactor::new().run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"hello").unwrap();
        let (server, _) = listener.accept().await.unwrap();
        // Nothing has driven the stream's events between the two.
        assert_eq!(server.try_read(&mut [0; 16]).unwrap(), 5);

        let _silent = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let error = server.try_read(&mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}
