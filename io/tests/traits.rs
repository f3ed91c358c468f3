//! The three families of I/O traits, on streams and halves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]

mod common;

use common::{Reactor, pair};
#[cfg(feature = "futures-io")]
use framewise_io::net::TcpStream;

/// The streams' inherent methods are called although both families' extension traits are in scope.
#[cfg(all(feature = "futures-io", feature = "tokio"))]
#[test]
fn the_streams_own_methods_come_first() {
    #[allow(unused_imports, reason = "the methods of the streams come first")]
    use futures::io::{AsyncReadExt as _, AsyncWriteExt as _};
    #[allow(unused_imports, reason = "the methods of the streams come first")]
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    Reactor::new().run(async {
        let (client, mut server) = pair().await;
        let (read, write) = client.into_split();
        write.write_all(b"one").await.unwrap();
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 1);
        // By its path: `server.split()` would be futures' `split`, which takes the stream by value.
        let (server_read, server_write) = TcpStream::split(&mut server);
        server_read.read_exact(&mut [0; 2]).await.unwrap();
        server_write.write(b"two").await.unwrap();
        let mut answer = [0; 3];
        // Its result is that of tokio's `read_exact`.
        assert_eq!(read.read_exact(&mut answer).await.unwrap(), 3);
        server.shut_down(std::net::Shutdown::Both).unwrap();
    });
}

#[cfg(feature = "tokio")]
mod tokio_traits {
    use std::io::IoSlice;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

    async fn exchange(read: &mut (impl AsyncRead + Unpin), write: &mut (impl AsyncWrite + Unpin)) {
        assert!(write.is_write_vectored());
        let parts = [IoSlice::new(b"hello "), IoSlice::new(b"world")];
        assert_eq!(write.write_vectored(&parts).await.unwrap(), 11);
        write.write_all(b"!").await.unwrap();
        write.flush().await.unwrap();
        write.shutdown().await.unwrap();
        // This reads into uninitialized memory.
        let mut received = Vec::with_capacity(4);
        read.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"hello world!");
    }

    /// Code that was written for tokio's streams calls the methods of its extension traits: no
    /// method of a stream's own is in the way with another meaning.
    #[test]
    fn a_stream_is_shut_down_by_the_method_of_the_trait() {
        Reactor::new().run(async {
            let (mut client, mut server) = pair().await;
            client.write_all(b"x").await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(server.read_exact(&mut [0; 1]).await.unwrap(), 1);
            assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
            server.shutdown().await.unwrap();
            assert_eq!(client.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        });
    }

    #[test]
    fn streams_references_and_halves() {
        Reactor::new().run(async {
            let (mut client, mut server) = pair().await;
            exchange(&mut server, &mut client).await;
            exchange(&mut &client, &mut &server).await;
            let (mut client, mut server) = pair().await;
            exchange(&mut server.split().0, &mut client.split().1).await;
            let (client, server) = pair().await;
            let (mut read, _write) = server.into_split();
            let (_read, mut write) = client.into_split();
            exchange(&mut read, &mut write).await;
        });
    }

    #[test]
    fn what_is_already_in_the_buffer_is_kept() {
        Reactor::new().run(async {
            let (client, mut server) = pair().await;
            client.write_all(b"cd").await.unwrap();
            server.readable().await.unwrap();
            let mut memory = [std::mem::MaybeUninit::uninit(); 8];
            let mut buffer = ReadBuf::uninit(&mut memory);
            buffer.put_slice(b"ab");
            let mut cx = Context::from_waker(Waker::noop());
            let read = AsyncRead::poll_read(Pin::new(&mut server), &mut cx, &mut buffer);
            assert!(matches!(read, Poll::Ready(Ok(()))));
            assert_eq!(
                (buffer.filled(), buffer.initialized().len()),
                (&b"abcd"[..], 4)
            );
        });
    }
}

#[cfg(feature = "futures-io")]
mod futures_traits {
    use std::io::{IoSlice, IoSliceMut};

    use super::*;
    use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

    async fn exchange(read: &mut (impl AsyncRead + Unpin), write: &mut (impl AsyncWrite + Unpin)) {
        let parts = [IoSlice::new(b"hello "), IoSlice::new(b"world")];
        assert_eq!(write.write_vectored(&parts).await.unwrap(), 11);
        let (mut first, mut second) = ([0; 4], [0; 7]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(read.read_vectored(&mut buffers).await.unwrap(), 11);
        assert_eq!((&first, &second), (b"hell", b"o world"));
        write.write_all(b"!").await.unwrap();
        write.flush().await.unwrap();
        write.close().await.unwrap();
        let mut received = Vec::new();
        read.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"!");
    }

    #[test]
    fn streams_references_and_halves() {
        Reactor::new().run(async {
            let (mut client, mut server) = pair().await;
            exchange(&mut server, &mut client).await;
            exchange(&mut &client, &mut &server).await;
            let (mut client, mut server) = pair().await;
            let (mut read, _) = TcpStream::split(&mut server);
            let (_, mut write) = TcpStream::split(&mut client);
            exchange(&mut read, &mut write).await;
            let (client, server) = pair().await;
            let (mut read, _write) = server.into_split();
            let (_read, mut write) = client.into_split();
            exchange(&mut read, &mut write).await;
        });
    }
}

#[cfg(feature = "hyper")]
mod hyper_traits {
    use std::future::poll_fn;
    use std::io::IoSlice;
    use std::mem::MaybeUninit;
    use std::pin::Pin;

    use super::*;
    use hyper::rt::{Read, ReadBuf, Write};

    async fn exchange(read: &mut (impl Read + Unpin), write: &mut (impl Write + Unpin)) {
        assert!(write.is_write_vectored());
        let parts = [IoSlice::new(b"hello "), IoSlice::new(b"world")];
        let written = poll_fn(|cx| Pin::new(&mut *write).poll_write_vectored(cx, &parts))
            .await
            .unwrap();
        assert_eq!(written, 11);
        poll_fn(|cx| Pin::new(&mut *write).poll_write(cx, b"!"))
            .await
            .unwrap();
        poll_fn(|cx| Pin::new(&mut *write).poll_flush(cx))
            .await
            .unwrap();
        poll_fn(|cx| Pin::new(&mut *write).poll_shutdown(cx))
            .await
            .unwrap();
        let mut received = Vec::new();
        loop {
            let mut memory = [MaybeUninit::uninit(); 5];
            let mut buffer = ReadBuf::uninit(&mut memory);
            poll_fn(|cx| Pin::new(&mut *read).poll_read(cx, buffer.unfilled()))
                .await
                .unwrap();
            if buffer.filled().is_empty() {
                break;
            }
            received.extend_from_slice(buffer.filled());
        }
        assert_eq!(received, b"hello world!");
    }

    #[test]
    fn streams_references_and_halves() {
        Reactor::new().run(async {
            let (mut client, mut server) = pair().await;
            exchange(&mut server, &mut client).await;
            exchange(&mut &client, &mut &server).await;
            let (mut client, mut server) = pair().await;
            exchange(&mut server.split().0, &mut client.split().1).await;
            let (client, server) = pair().await;
            let (mut read, _write) = server.into_split();
            let (_read, mut write) = client.into_split();
            exchange(&mut read, &mut write).await;
        });
    }
}
