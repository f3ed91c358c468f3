//! Reads, writes, peeks and halves of a stream.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read};
use std::pin::pin;
use std::task::{Context, Waker};

use framewise_io::Interest;
use framewise_io::net::{TcpListener, TcpStream};

use crate::common::{Reactor, pair};

#[test]
fn an_echo_is_received() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        let echo = async {
            let mut buffer = [0; 16];
            let count = server.read(&mut buffer).await.unwrap();
            server.write_all(&buffer[..count]).await.unwrap();
        };
        let ask = async {
            client.write_all(b"hello").await.unwrap();
            let mut buffer = [0; 5];
            client.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"hello");
        };
        futures::join!(echo, ask);
    });
}

#[test]
fn vectored_reads_and_writes_use_every_buffer() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        let parts = [
            IoSlice::new(b"one "),
            IoSlice::new(b""),
            IoSlice::new(b"two"),
        ];
        assert_eq!(client.write_vectored(&parts).await.unwrap(), 7);
        server.readable().await.unwrap();
        let (mut first, mut second) = ([0; 3], [0; 9]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(server.read_vectored(&mut buffers).await.unwrap(), 7);
        assert_eq!((&first, &second[..4]), (b"one", &b" two"[..]));
        assert_eq!(server.write_vectored(&[]).await.unwrap(), 0);
    });
}

/// One system call uses at most 1024 buffers. That it leaves the others does not mean that the
/// socket is full or drained.
#[test]
fn more_buffers_than_one_call_takes_hide_no_readiness() {
    const BUFFERS: usize = 2_000;
    Reactor::new().run(async {
        let (client, server) = pair().await;
        let parts = vec![IoSlice::new(b"x"); BUFFERS];
        let written = client.write_vectored(&parts).await.unwrap();
        assert!(
            written < BUFFERS,
            "the test needs more buffers than one call uses"
        );
        client.try_write(&[b'x'; BUFFERS]).unwrap();

        server.readable().await.unwrap();
        let mut bytes = [0; BUFFERS];
        let mut parts: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
        let read = server.read_vectored(&mut parts).await.unwrap();
        assert!(
            read < BUFFERS,
            "the test needs more buffers than one call uses"
        );
        server.try_read(&mut bytes).unwrap();
    });
}

#[test]
fn peeking_removes_nothing() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        client.write_all(b"look").await.unwrap();
        let mut buffer = [0; 16];
        for _ in 0..2 {
            assert_eq!(server.peek(&mut buffer).await.unwrap(), 4);
        }
        assert_eq!(server.try_peek(&mut buffer).unwrap(), 4);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(
            server.try_read(&mut buffer).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    });
}

#[test]
fn an_empty_buffer_waits_for_nothing() {
    Reactor::new().run(async {
        let (client, _server) = pair().await;
        assert_eq!(client.read(&mut []).await.unwrap(), 0);
        assert_eq!(client.write(&[]).await.unwrap(), 0);
        client.read_exact(&mut []).await.unwrap();
        client.write_all(&[]).await.unwrap();
    });
}

#[test]
fn borrowed_halves_work_at_once_and_leave_the_stream_whole() {
    Reactor::new().run(async {
        let (mut client, server) = pair().await;
        {
            let (read, write) = client.split();
            let mut answer = [0; 2];
            let echo = async {
                let mut buffer = [0; 2];
                server.read_exact(&mut buffer).await.unwrap();
                server.write_all(&buffer).await.unwrap();
            };
            let (first, second, ()) =
                futures::join!(read.read_exact(&mut answer), write.write_all(b"hi"), echo);
            first.and(second).unwrap();
            assert_eq!(&answer, b"hi");
            assert_eq!(
                read.as_stream().peer_addr().unwrap(),
                server.local_addr().unwrap()
            );
        }
        client.write_all(b"still open").await.unwrap();
        let mut buffer = [0; 10];
        server.read_exact(&mut buffer).await.unwrap();
    });
}

#[test]
fn owned_halves_go_to_two_threads_and_the_end_of_writing_is_read() {
    let reactor = Reactor::new();
    let (client, server) = reactor.run(pair());
    let (read, write) = client.into_split();
    let writer = reactor.spawn(async move {
        for _ in 0..100 {
            write.write_all(&[7; 1000]).await.unwrap();
        }
    });
    let echo = reactor.spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            match server.read(&mut buffer).await.unwrap() {
                0 => return,
                count => server.write_all(&buffer[..count]).await.unwrap(),
            }
        }
    });
    let received = reactor.run(async {
        let mut total = 0;
        let mut buffer = [0; 4096];
        loop {
            match read.read(&mut buffer).await.unwrap() {
                0 => return total,
                count => total += count,
            }
        }
    });
    assert_eq!(received, 100_000);
    writer.join().unwrap();
    echo.join().unwrap();
}

#[test]
fn halves_reunite_only_with_their_own() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        let error = client_read.reunite(server_write).unwrap_err();
        assert!(error.to_string().contains("different streams"));
        let client = client_write.reunite(error.0).unwrap();
        let server = server_read.reunite(error.1).unwrap();
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 1);
    });
}

#[test]
fn a_half_that_is_forgotten_does_not_end_writing() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        let (_read, write) = client.into_split();
        write.forget();
        // Read from the socket itself: the driver might not have fetched the event of the end yet.
        let error = server.into_std().unwrap().read(&mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn read_exact_says_when_the_stream_ends_too_early() {
    Reactor::new().run(async {
        let (client, server) = pair().await;
        client.write_all(b"abc").await.unwrap();
        drop(client);
        let error = server.read_exact(&mut [0; 4]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_large_transfer_waits_for_a_slow_reader() {
    const SIZE: usize = 8 << 20;
    let reactor = Reactor::new();
    let (client, server) = reactor.run(pair());
    let writer = reactor.spawn(async move {
        let bytes: Vec<u8> = (0..SIZE).map(|index| index as u8).collect();
        client.write_all(&bytes).await.unwrap();
    });
    reactor.run(async {
        let mut received = 0;
        let mut buffer = vec![0; 12_345];
        loop {
            let count = server.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            let expected = (received..received + count).map(|index| index as u8);
            assert!(
                expected.eq(buffer[..count].iter().copied()),
                "bytes arrived out of order"
            );
            received += count;
        }
        assert_eq!(received, SIZE);
    });
    writer.join().unwrap();
}

#[test]
fn several_readers_of_one_stream_get_each_byte_once() {
    let reactor = Reactor::new();
    let (client, server) = reactor.run(pair());
    let server = std::sync::Arc::new(server);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let server = std::sync::Arc::clone(&server);
            reactor.spawn(async move {
                let mut sum = 0_u64;
                let mut byte = [0];
                while server.read(&mut byte).await.unwrap() == 1 {
                    sum += u64::from(byte[0]);
                }
                sum
            })
        })
        .collect();
    reactor.run(async {
        for _ in 0..500 {
            client.write_all(&[1, 2, 3]).await.unwrap();
        }
        drop(client);
    });
    let sum: u64 = readers
        .into_iter()
        .map(|reader| reader.join().unwrap())
        .sum();
    assert_eq!(sum, 500 * 6);
}

#[test]
fn a_dropped_read_has_read_nothing_and_a_dropped_accept_accepted_nothing() {
    Reactor::new().run(async {
        let mut cx = Context::from_waker(Waker::noop());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(pin!(listener.accept()).as_mut().poll(&mut cx).is_pending());
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        {
            let mut buffer = [0; 8];
            assert!(
                pin!(server.read(&mut buffer))
                    .as_mut()
                    .poll(&mut cx)
                    .is_pending()
            );
            client.write_all(b"whole").await.unwrap();
        }
        let mut buffer = [0; 8];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 5);
    });
}

/// A read is short in front of urgent data although more bytes have arrived. It must not count as
/// drained, whether or not the urgent data itself was awaited and received.
#[cfg(target_os = "linux")]
#[test]
fn urgent_data_does_not_hide_what_follows_it() {
    for is_received in [false, true] {
        Reactor::new().run(async {
            let (client, server) = pair().await;
            client.write_all(b"before").await.unwrap();
            let urgent = socket2::SockRef::from(&client).send_out_of_band(b"!");
            assert_eq!(urgent.unwrap(), 1);
            client.write_all(b"after").await.unwrap();
            // All bytes have arrived before the first read.
            let mut buffer = [0; 64];
            while server.peek(&mut buffer).await.unwrap() < 6 {
                std::thread::yield_now();
            }
            if is_received {
                receive_urgent(&server).await;
            }
            let mut received = Vec::new();
            while received.len() < 11 {
                let count = server.read(&mut buffer).await.unwrap();
                received.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(received, b"beforeafter");
        });
    }
}

/// Receives one byte of urgent data, and finds that there is no more.
#[cfg(target_os = "linux")]
async fn receive_urgent(stream: &TcpStream) {
    let ready = stream.ready(Interest::PRIORITY).await.unwrap();
    assert!(ready.is_priority() && !ready.is_readable());
    let mut byte = [std::mem::MaybeUninit::uninit()];
    let socket = socket2::SockRef::from(stream);
    let received = stream.try_io(Interest::PRIORITY, || socket.recv_out_of_band(&mut byte));
    assert_eq!(received.unwrap(), 1);
    let none = stream.try_io(Interest::PRIORITY, || {
        Err::<(), _>(std::io::ErrorKind::WouldBlock.into())
    });
    assert!(none.is_err());
    let wait = std::pin::pin!(stream.ready(Interest::PRIORITY));
    assert!(
        futures::poll!(wait).is_pending(),
        "the urgent data is received"
    );
}
