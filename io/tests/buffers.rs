//! Receiving into the spare memory of `bytes::BufMut` (feature `bytes`).
#![cfg(feature = "bytes")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Waker};

use bytes::{BufMut, BytesMut};
use common::Reactor;
use framewise_context::ContextVar;
use framewise_io::net::{TcpListener, TcpStream, UdpSocket};
use framewise_test_support::in_each_start_frame;

static ID: ContextVar<u64> = ContextVar::new("id");

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = futures::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

#[test]
fn c59_a_stream_reads_into_the_spare_memory_of_a_buffer() {
    in_each_start_frame(|| {
        Reactor::new().run(async {
            let (client, server) = tcp_pair().await;
            // A buffer that grows keeps what it has.
            let mut buffer = BytesMut::from(&b"kept "[..]);
            let read = ID.scope(7, async {
                let count = server.read_buf(&mut buffer).await.unwrap();
                (count, ID.get())
            });
            let (read, sent) = futures::join!(read, client.write_all(b"hello"));
            sent.unwrap();
            assert_eq!(read, (5, Some(7)));
            assert_eq!(&buffer[..], b"kept hello");
            // One of a fixed size takes what it has room for, and then nothing.
            client.write_all(b"abcdef").await.unwrap();
            let mut room = [0; 4];
            let mut fixed = &mut room[..];
            while fixed.has_remaining_mut() {
                assert!(server.read_buf(&mut fixed).await.unwrap() > 0);
            }
            assert_eq!(server.read_buf(&mut fixed).await.unwrap(), 0);
            assert_eq!(room, *b"abcd");
            // The end of the stream.
            drop(client);
            let mut rest = Vec::new();
            while server.read_buf(&mut rest).await.unwrap() > 0 {}
            assert_eq!(rest, b"ef");
        });
    });
}

#[test]
fn a_stream_that_is_not_readable_leaves_the_buffer_as_it_is() {
    Reactor::new().run(async {
        let (client, server) = tcp_pair().await;
        let mut buffer = BytesMut::with_capacity(16);
        let error = server.try_read_buf(&mut buffer).unwrap_err();
        assert_eq!((error.kind(), buffer.len()), (ErrorKind::WouldBlock, 0));
        {
            let mut cx = Context::from_waker(Waker::noop());
            let read = pin!(server.read_buf(&mut buffer));
            assert!(read.poll(&mut cx).is_pending());
        }
        client.write_all(b"hello").await.unwrap();
        server.readable().await.unwrap();
        // The read that was dropped has taken nothing.
        assert_eq!(server.try_read_buf(&mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..], b"hello");
    });
}

#[test]
fn each_half_and_pipe_reads_into_a_buffer() {
    Reactor::new().run(async {
        let (mut client, server) = tcp_pair().await;
        server.write_all(b"one two").await.unwrap();
        let mut buffer = BytesMut::with_capacity(3).limit(3);
        let (reading, _writing) = client.split();
        reading.read_buf(&mut buffer).await.unwrap();
        assert_eq!(&buffer.get_ref()[..], b"one");
        let (reading, _writing) = client.into_split();
        let mut buffer = Vec::with_capacity(16);
        reading.read_buf(&mut buffer).await.unwrap();
        assert_eq!(buffer, b" two");
        #[cfg(unix)]
        {
            let (sender, receiver) = framewise_io::net::unix::pipe::pipe().unwrap();
            sender.write_all(b"three").await.unwrap();
            receiver.read_buf(&mut buffer).await.unwrap();
            assert_eq!(buffer, b" twothree");
        }
    });
}

#[test]
fn a_datagram_is_received_into_the_spare_memory_of_a_buffer() {
    Reactor::new().run(async {
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (from, to) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let mut buffer = BytesMut::with_capacity(64);
        assert!(other.try_recv_buf(&mut buffer).is_err());
        one.send_to(b"hello", to).await.unwrap();
        let received = other.recv_buf_from(&mut buffer).await.unwrap();
        assert_eq!(received, (5, from));
        one.send_to(b" and", to).await.unwrap();
        other.readable().await.unwrap();
        assert_eq!(other.try_recv_buf_from(&mut buffer).unwrap(), (4, from));
        other.connect(from).await.unwrap();
        one.send_to(b" more", to).await.unwrap();
        assert_eq!(other.recv_buf(&mut buffer).await.unwrap(), 5);
        assert_eq!(&buffer[..], b"hello and more");
        // What does not fit is discarded.
        one.send_to(b"too long", to).await.unwrap();
        let mut room = [0; 3];
        assert_eq!(other.recv_buf(&mut &mut room[..]).await.unwrap(), 3);
        assert_eq!(room, *b"too");
        assert!(other.try_recv_buf(&mut buffer).is_err());
    });
}

#[cfg(unix)]
#[test]
fn a_datagram_of_a_unix_socket_is_received_with_its_sender() {
    use framewise_io::net::UnixDatagram;
    Reactor::new().run(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut buffer = BytesMut::with_capacity(64);
        one.send(b"hello").await.unwrap();
        let (count, sender) = other.recv_buf_from(&mut buffer).await.unwrap();
        assert!(count == 5 && sender.is_unnamed());
        one.send(b" again").await.unwrap();
        assert_eq!(other.recv_buf(&mut buffer).await.unwrap(), 6);
        assert_eq!(&buffer[..], b"hello again");
        assert!(other.try_recv_buf_from(&mut buffer).is_err());
        // A dropped wait takes nothing.
        {
            let mut cx = Context::from_waker(Waker::noop());
            let receive = pin!(other.recv_buf(&mut buffer));
            assert!(receive.poll(&mut cx).is_pending());
        }
        one.send(b"!").await.unwrap();
        other.readable().await.unwrap();
        assert_eq!(other.try_recv_buf(&mut buffer).unwrap(), 1);
    });
}
