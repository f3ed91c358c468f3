//! Sockets: readiness, reading and writing, through each interface; accepting and connecting.

use std::future::{Future, poll_fn};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream as StdStream;
use std::pin::Pin;
use std::sync::Arc;

use framewise::net::{Interest, TcpListener, TcpStream};
use framewise::runtime::Runtime;
use framewise::spawn;
use framewise::task::yield_now;

use crate::row::{Leaves, made, row};
use framewise_test_support::on_workers;

/// Returns a stream of the runtime, and its peer.
pub(crate) fn pair(runtime: &Runtime) -> (TcpStream, StdStream) {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (stream, peer)
    })
}

/// Runs a row that waits for bytes.
#[track_caller]
fn reading<W>(name: &str, leaves: Leaves, wait: impl Fn(Arc<TcpStream>) -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    row(name, leaves, |runtime, _| {
        let (stream, peer) = pair(runtime);
        let stream = Arc::new(stream);
        let (mut writes, rest) = (peer.try_clone().unwrap(), (Arc::clone(&stream), peer));
        made(wait(stream), move || writes.write_all(b"1").unwrap(), rest)
    });
}

/// Writes until the buffers of both ends are full.
fn fill(runtime: &Runtime, stream: &TcpStream) {
    runtime.block_on(stream.writable()).unwrap();
    let block = vec![0; 1 << 20];
    while stream.try_write(&block).is_ok() {}
}

/// Reads, on a thread, until the stream is closed.
fn drain(peer: &StdStream) -> impl FnOnce() + Send + 'static {
    let mut reads = peer.try_clone().unwrap();
    move || {
        std::thread::spawn(move || {
            let mut sink = vec![0; 1 << 20];
            while reads.read(&mut sink).is_ok_and(|count| count > 0) {}
        });
    }
}

/// Runs a row that waits for buffer space to write.
#[track_caller]
fn writing<W>(name: &str, leaves: Leaves, wait: impl Fn(Arc<TcpStream>) -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    row(name, leaves, |runtime, _| {
        let (stream, peer) = pair(runtime);
        fill(runtime, &stream);
        let stream = Arc::new(stream);
        let drain = drain(&peer);
        made(wait(Arc::clone(&stream)), drain, (stream, peer))
    });
}

#[test]
fn c48_waiting_for_readiness_leaves_nothing() {
    reading("readable", Leaves::Nothing, |stream| async move {
        stream.readable().await.unwrap();
    });
    reading("ready, to read", Leaves::Nothing, |stream| async move {
        stream.ready(Interest::READABLE).await.unwrap();
    });
    writing("writable", Leaves::Nothing, |stream| async move {
        stream.writable().await.unwrap();
    });
    reading("poll_read_ready", Leaves::Slot, |stream| async move {
        poll_fn(|cx| stream.poll_read_ready(cx)).await.unwrap();
    });
    writing("poll_write_ready", Leaves::Slot, |stream| async move {
        poll_fn(|cx| stream.poll_write_ready(cx)).await.unwrap();
    });
}

#[test]
fn c48_reading_leaves_nothing() {
    reading("read", Leaves::Nothing, |stream| async move {
        stream.read(&mut [0; 8]).await.unwrap();
    });
    reading("read_vectored", Leaves::Nothing, |stream| async move {
        let mut buffer = [0; 8];
        stream
            .read_vectored(&mut [IoSliceMut::new(&mut buffer)])
            .await
            .unwrap();
    });
    reading("read_exact", Leaves::Nothing, |stream| async move {
        stream.read_exact(&mut [0; 1]).await.unwrap();
    });
    reading("peek", Leaves::Nothing, |stream| async move {
        stream.peek(&mut [0; 8]).await.unwrap();
    });
    reading("poll_peek", Leaves::Slot, |stream| async move {
        poll_fn(|cx| stream.poll_peek(cx, &mut [0; 8]))
            .await
            .unwrap();
    });
}

#[test]
fn c48_reading_through_the_traits_leaves_nothing() {
    reading("futures-io's read", Leaves::Slot, |stream| async move {
        let mut reads = &*stream;
        futures::AsyncReadExt::read(&mut reads, &mut [0; 8])
            .await
            .unwrap();
    });
    reading("tokio's read", Leaves::Slot, |stream| async move {
        poll_fn(|cx| {
            let mut memory = [0; 8];
            let mut buffer = tokio::io::ReadBuf::new(&mut memory);
            tokio::io::AsyncRead::poll_read(Pin::new(&mut &*stream), cx, &mut buffer)
        })
        .await
        .unwrap();
    });
    reading("hyper's read", Leaves::Slot, |stream| async move {
        poll_fn(|cx| {
            let mut memory = [MaybeUninit::uninit(); 8];
            let mut buffer = hyper::rt::ReadBuf::uninit(&mut memory);
            hyper::rt::Read::poll_read(Pin::new(&mut &*stream), cx, buffer.unfilled())
        })
        .await
        .unwrap();
    });
}

#[test]
fn c48_writing_leaves_nothing() {
    writing("write", Leaves::Nothing, |stream| async move {
        stream.write(b"1").await.unwrap();
    });
    writing("write_vectored", Leaves::Nothing, |stream| async move {
        stream.write_vectored(&[IoSlice::new(b"1")]).await.unwrap();
    });
    writing("write_all", Leaves::Nothing, |stream| async move {
        stream.write_all(b"1").await.unwrap();
    });
}

#[test]
fn c48_writing_through_the_traits_leaves_nothing() {
    writing("futures-io's write", Leaves::Slot, |stream| async move {
        let mut writes = &*stream;
        futures::AsyncWriteExt::write(&mut writes, b"1")
            .await
            .unwrap();
    });
    writing("tokio's write", Leaves::Slot, |stream| async move {
        poll_fn(|cx| {
            tokio::io::AsyncWrite::poll_write_vectored(
                Pin::new(&mut &*stream),
                cx,
                &[IoSlice::new(b"1")],
            )
        })
        .await
        .unwrap();
    });
    writing("hyper's write", Leaves::Slot, |stream| async move {
        poll_fn(|cx| hyper::rt::Write::poll_write(Pin::new(&mut &*stream), cx, b"1"))
            .await
            .unwrap();
    });
}

#[test]
fn c48_a_half_that_is_dropped_leaves_nothing_with_its_stream() {
    row("read half", Leaves::Nothing, |runtime, _| {
        let (stream, peer) = pair(runtime);
        let (mut read, write) = stream.into_split();
        let mut writes = peer.try_clone().unwrap();
        let wait = async move {
            futures::AsyncReadExt::read(&mut read, &mut [0; 8])
                .await
                .unwrap();
        };
        made(wait, move || writes.write_all(b"1").unwrap(), (write, peer))
    });
    row("write half", Leaves::Nothing, |runtime, _| {
        let (stream, peer) = pair(runtime);
        fill(runtime, &stream);
        let (read, mut write) = stream.into_split();
        let drain = drain(&peer);
        let wait = async move {
            futures::AsyncWriteExt::write(&mut write, b"1")
                .await
                .unwrap();
        };
        made(wait, drain, (read, peer))
    });
}

#[test]
fn a_half_that_is_dropped_wakes_a_poller_of_its_direction_that_is_another() {
    on_workers(|runtime| {
        let (stream, mut peer) = pair(runtime);
        runtime.block_on(async {
            let (read, write) = stream.into_split();
            // It polls for reading through the other half.
            let polls = spawn(async move {
                let mut polls = 0;
                poll_fn(|cx| {
                    polls += 1;
                    write.as_stream().poll_read_ready(cx)
                })
                .await
                .unwrap();
                (polls, write)
            });
            yield_now().await;
            drop(read);
            yield_now().await;
            peer.write_all(b"1").unwrap();
            let (polls, write) = polls.await.unwrap();
            assert!(polls >= 1);
            drop(write);
        });
    });
}

#[test]
fn c48_accepting_leaves_nothing_with_the_listener() {
    #[track_caller]
    fn accepting<W>(name: &str, leaves: Leaves, wait: impl Fn(Arc<TcpListener>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        row(name, leaves, |runtime, _| {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let address = listener.local_addr().unwrap();
            let listener = Arc::new(listener);
            let connect = move || drop(StdStream::connect(address).unwrap());
            made(wait(Arc::clone(&listener)), connect, listener)
        });
    }
    accepting("accept", Leaves::Nothing, |listener| async move {
        drop(listener.accept().await.unwrap());
    });
    accepting(
        "listener's readable",
        Leaves::Nothing,
        |listener| async move {
            listener.readable().await.unwrap();
        },
    );
    accepting("poll_accept", Leaves::Slot, |listener| async move {
        drop(poll_fn(|cx| listener.poll_accept(cx)).await.unwrap());
    });
}

#[test]
fn c48_connecting_leaves_nothing() {
    row("connect", Leaves::Nothing, |runtime, _| {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let wait = async move { drop(TcpStream::connect(address).await.unwrap()) };
        made(wait, || (), listener)
    });
}
