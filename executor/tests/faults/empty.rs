//! Reads into no buffer and writes of no bytes: ready at once, on an idle stream and on a full one,
//! and nothing is taken or sent. An empty datagram is one.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use framewise::net::unix::pipe;
use framewise::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use framewise_test_support::on_workers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Polls once: it must be ready.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing is to be waited for"),
    }
}

/// Writes until the stream takes no more.
macro_rules! fill {
    ($stream:expr) => {
        $stream.writable().await.unwrap();
        while $stream.try_write(&[0; 4096]).is_ok() {}
    };
}

macro_rules! empty_operations {
    ($first:expr, $second:expr) => {{
        let (mut first, mut second) = ($first, $second);
        assert_eq!(now(AsyncReadExt::read(&mut second, &mut [])).unwrap(), 0);
        assert_eq!(
            now(AsyncReadExt::read_exact(&mut second, &mut [])).unwrap(),
            0
        );
        assert_eq!(now(AsyncWriteExt::write(&mut first, &[])).unwrap(), 0);
        now(AsyncWriteExt::write_all(&mut first, &[])).unwrap();
        // No end was made up by the empty write, and no byte is lost by the empty read.
        AsyncWriteExt::write_all(&mut first, b"x").await.unwrap();
        second.readable().await.unwrap();
        assert_eq!(now(AsyncReadExt::read(&mut second, &mut [])).unwrap(), 0);
        let mut byte = [0; 1];
        AsyncReadExt::read_exact(&mut second, &mut byte)
            .await
            .unwrap();
        assert_eq!(&byte, b"x");
        fill!(first);
        assert_eq!(now(AsyncWriteExt::write(&mut first, &[])).unwrap(), 0);
    }};
}

#[test]
fn empty_reads_and_writes_of_streams_wait_for_nothing() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (client, server) = futures::join!(TcpStream::connect(address), listener.accept());
            empty_operations!(client.unwrap(), server.unwrap().0);
            let (first, second) = UnixStream::pair().unwrap();
            empty_operations!(first, second);
            let (sender, receiver) = pipe::pipe().unwrap();
            empty_operations!(sender, receiver);
        });
    });
}

#[test]
fn an_empty_datagram_is_a_datagram() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let (first, second) = UnixDatagram::pair().unwrap();
            assert_eq!(first.send(&[]).await.unwrap(), 0);
            assert_eq!(second.recv(&mut [0; 4]).await.unwrap(), 0);

            let first = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let second = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let (one, two) = (first.local_addr().unwrap(), second.local_addr().unwrap());
            assert_eq!(first.send_to(&[], two).await.unwrap(), 0);
            assert_eq!(second.recv_from(&mut [0; 4]).await.unwrap(), (0, one));
            // Into no buffer the datagram is taken, and cut off.
            first.send_to(b"cut off", two).await.unwrap();
            assert_eq!(second.recv_from(&mut []).await.unwrap(), (0, one));
            first.send_to(b"next", two).await.unwrap();
            assert_eq!(second.recv_from(&mut [0; 8]).await.unwrap(), (4, one));
        });
    });
}
