//! UDP sockets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;

use common::Reactor;
use framewise_context::ContextVar;
use framewise_io::Interest;
use framewise_io::net::UdpSocket;
use framewise_test_support::{give_up, in_each_start_frame};

async fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

async fn connected_pair() -> (UdpSocket, UdpSocket) {
    let ((one, one_address), (other, other_address)) = (socket().await, socket().await);
    one.connect(other_address).await.unwrap();
    other.connect(one_address).await.unwrap();
    (one, other)
}

#[test]
fn a_datagram_is_answered_to_its_sender() {
    Reactor::new().run(async {
        let (server, server_address) = socket().await;
        let (client, client_address) = socket().await;
        assert_eq!(client.send_to(b"hello", server_address).await.unwrap(), 5);
        let mut buffer = [0; 16];
        let (count, peer) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..count], peer), (&b"hello"[..], client_address));
        server.send_to(&buffer[..count], peer).await.unwrap();
        assert_eq!(client.recv(&mut buffer).await.unwrap(), 5);
    });
}

#[test]
fn connected_sockets_send_and_receive_without_addresses() {
    Reactor::new().run(async {
        let (one, other) = connected_pair().await;
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        one.send(b"one").await.unwrap();
        one.send(b"two").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 3);
        assert_eq!(&buffer[..3], b"one");
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 3);
        assert_eq!(&buffer[..3], b"two");
    });
}

/// A datagram that is shorter than the buffer does not mean that the queue is empty.
#[test]
fn each_of_many_queued_datagrams_is_received_after_one_wait() {
    Reactor::new().run(async {
        let (one, other) = connected_pair().await;
        for number in 0..50_u8 {
            one.send(&[number]).await.unwrap();
        }
        for number in 0..50_u8 {
            let mut buffer = [0; 16];
            assert_eq!(other.recv(&mut buffer).await.unwrap(), 1);
            assert_eq!(buffer[0], number);
        }
    });
}

#[test]
fn what_does_not_fit_is_discarded_and_an_empty_datagram_is_one() {
    Reactor::new().run(async {
        let (one, other) = connected_pair().await;
        one.send(b"long").await.unwrap();
        one.send(b"").await.unwrap();
        let mut buffer = [0; 2];
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 2);
        assert_eq!(&buffer, b"lo");
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn peeking_removes_nothing() {
    Reactor::new().run(async {
        let (one, other) = connected_pair().await;
        one.send(b"here").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(other.peek(&mut buffer).await.unwrap(), 4);
        let sender = one.local_addr().unwrap();
        assert_eq!(other.peek_from(&mut buffer).await.unwrap(), (4, sender));
        assert_eq!(other.peek_sender().await.unwrap(), sender);
        assert_eq!(other.try_peek_sender().unwrap(), sender);
        assert_eq!(other.try_peek(&mut buffer).unwrap(), 4);
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
        assert_eq!(
            other.try_recv(&mut buffer).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    });
}

#[test]
fn the_try_functions_follow_the_readiness() {
    Reactor::new().run(async {
        let (one, other) = connected_pair().await;
        let mut buffer = [0; 16];
        let error = other.try_recv_from(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        one.writable().await.unwrap();
        assert_eq!(one.try_send(b"now").unwrap(), 3);
        other.readable().await.unwrap();
        assert_eq!(other.try_recv_from(&mut buffer).unwrap().0, 3);
        one.try_send_to(b"again", other.local_addr().unwrap())
            .unwrap();
        let ready = other
            .ready(Interest::READABLE | Interest::WRITABLE)
            .await
            .unwrap();
        assert!(ready.is_writable());
    });
}

#[test]
fn the_poll_functions_wait_in_their_direction() {
    Reactor::new().run(async {
        let (one, other) = connected_pair().await;
        let mut buffer = [0; 16];
        let receive = poll_fn(|cx| other.poll_recv(cx, &mut buffer));
        let send = poll_fn(|cx| one.poll_send(cx, b"polled"));
        let (received, sent) = futures::join!(receive, send);
        assert_eq!((received.unwrap(), sent.unwrap()), (6, 6));
        let target = other.local_addr().unwrap();
        poll_fn(|cx| one.poll_send_ready(cx)).await.unwrap();
        poll_fn(|cx| one.poll_send_to(cx, b"to", target))
            .await
            .unwrap();
        poll_fn(|cx| other.poll_recv_ready(cx)).await.unwrap();
        let (count, _) = poll_fn(|cx| other.poll_recv_from(cx, &mut buffer))
            .await
            .unwrap();
        assert_eq!(count, 2);
    });
}

#[test]
fn a_call_of_the_system_goes_through_async_io() {
    Reactor::new().run(async {
        let (one, other) = connected_pair().await;
        let wait = other.async_io(Interest::READABLE, || {
            let mut buffer = [std::mem::MaybeUninit::uninit(); 16];
            socket2::SockRef::from(&other).recv(&mut buffer)
        });
        let (received, sent) = futures::join!(wait, one.send(b"raw"));
        assert_eq!((received.unwrap(), sent.unwrap()), (3, 3));
        let again = other.try_io(Interest::READABLE, || -> std::io::Result<()> {
            Err(ErrorKind::WouldBlock.into())
        });
        assert_eq!(again.unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_dropped_receive_has_received_nothing() {
    Reactor::new().run(async {
        let (one, other) = connected_pair().await;
        let mut buffer = [0; 16];
        give_up(other.recv(&mut buffer));
        give_up(other.recv_from(&mut buffer));
        give_up(other.peek(&mut buffer));
        give_up(other.peek_from(&mut buffer));
        give_up(other.peek_sender());
        give_up(other.async_io(Interest::READABLE, || {
            socket2::SockRef::from(&other).recv(&mut [MaybeUninit::uninit(); 16])
        }));
        {
            let mut wait = pin!(other.recv(&mut buffer));
            assert!(futures::poll!(wait.as_mut()).is_pending());
            one.send(b"kept").await.unwrap();
            // The wait has been notified by now, and is dropped.
            other.readable().await.unwrap();
        }
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
    });
}

#[test]
fn a_dropped_future_has_bound_connected_and_sent_nothing() {
    Reactor::new().run(async {
        let (socket, address) = socket().await;
        let (receiver, receiver_address) = self::socket().await;
        drop(socket.connect(receiver_address));
        assert_eq!(
            socket.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        drop(socket.send_to(b"dropped", receiver_address));
        socket.send_to(b"sent", receiver_address).await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(receiver.recv(&mut buffer).await.unwrap(), 4);
        drop(socket);
        drop(UdpSocket::bind(address));
        UdpSocket::bind(address).await.unwrap();
    });
}

#[test]
fn options_are_the_sockets_own() {
    Reactor::new().run(async {
        let (socket, _) = socket().await;
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(42).unwrap();
        assert_eq!(socket.ttl().unwrap(), 42);
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        socket.set_multicast_ttl_v4(3).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 3);
        socket.set_tos_v4(16).unwrap();
        assert_eq!(socket.tos_v4().unwrap(), 16);
        assert!(socket.take_error().unwrap().is_none());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.device().unwrap(), None);
    });
}

#[test]
fn a_multicast_group_is_joined_and_left() {
    Reactor::new().run(async {
        let (socket, address) = socket().await;
        let group = Ipv4Addr::new(239, 1, 2, 3);
        socket
            .join_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .unwrap();
        socket
            .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .unwrap();
        let error = socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST);
        assert!(error.is_err(), "{address}: the group was left already");
    });
}

#[test]
fn std_sockets_come_and_go() {
    Reactor::new().run(async {
        let std = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = std.local_addr().unwrap();
        let socket = UdpSocket::try_from(std).unwrap();
        let (client, _) = self::socket().await;
        client.send_to(b"in", address).await.unwrap();
        socket.readable().await.unwrap();
        let std = socket.into_std().unwrap();
        assert_eq!(std.recv(&mut [0; 16]).unwrap(), 2);
    });
}

#[test]
fn outside_of_a_runtime_and_after_its_end_a_socket_is_an_error() {
    let outside = futures::executor::block_on(UdpSocket::bind("127.0.0.1:0"));
    assert!(outside.is_err());
    let mut reactor = Reactor::new();
    let (socket, _) = reactor.run(socket());
    reactor.stop();
    let error = reactor.run(async { socket.recv(&mut [0; 1]).await.unwrap_err() });
    assert!(error.to_string().contains("shutting down"), "{error}");
}

/// C-59, C-51: the awaiting task keeps its frame, and a readiness callback has the one in which it
/// was registered.
#[test]
fn c59_a_callback_of_a_socket_runs_in_the_registering_frame() {
    static REQUEST: ContextVar<u64> = ContextVar::new("request");
    in_each_start_frame(|| {
        let reactor = Reactor::new();
        reactor.run(REQUEST.scope(7, async {
            let (one, other) = connected_pair().await;
            let (sender, seen) = std::sync::mpsc::channel();
            let callback = REQUEST.run(8, || {
                other.on_ready(Interest::READABLE, move |_| {
                    let _ = sender.send(REQUEST.get());
                })
            });
            one.send(b"x").await.unwrap();
            assert_eq!(seen.recv().unwrap(), Some(8));
            other.recv(&mut [0; 1]).await.unwrap();
            assert_eq!(REQUEST.get(), Some(7));
            callback.unwrap().cancel();
        }));
    });
}

/// The poll functions with tokio's buffer, as code that was written for tokio calls them.
#[cfg(feature = "tokio")]
#[test]
fn the_poll_functions_fill_a_buffer_that_counts() {
    use tokio::io::ReadBuf;

    Reactor::new().run(async {
        let (one, other) = connected_pair().await;
        let mut memory = [0; 16];
        let mut buffer = ReadBuf::new(&mut memory);
        one.send(b"one").await.unwrap();
        poll_fn(|cx| other.poll_peek(cx, &mut buffer))
            .await
            .unwrap();
        assert_eq!(buffer.filled(), b"one");
        poll_fn(|cx| other.poll_recv(cx, &mut buffer))
            .await
            .unwrap();
        assert_eq!(buffer.filled(), b"oneone");
        one.send(b"two").await.unwrap();
        let sender = one.local_addr().unwrap();
        buffer.clear();
        let peeked = poll_fn(|cx| other.poll_peek_from(cx, &mut buffer)).await;
        assert_eq!(peeked.unwrap(), sender);
        let received = poll_fn(|cx| other.poll_recv_from(cx, &mut buffer)).await;
        assert_eq!(received.unwrap(), sender);
        assert_eq!(buffer.filled(), b"twotwo");
    });
}

/// The refusal is an event without a direction: `EPOLLERR`, and not `EPOLLIN`.
#[cfg(target_os = "linux")]
#[test]
fn a_refused_datagram_ends_a_wait_for_the_answer() {
    Reactor::new().run(async {
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let target = gone.local_addr().unwrap();
        drop(gone);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(target).await.unwrap();
        socket.send(b"hello").await.unwrap();
        let error = socket.recv(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}
