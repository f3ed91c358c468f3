//! Streams of which one direction is closed: the other one goes on, in every kind of stream.

use std::io::ErrorKind;
use std::net::Shutdown;

use framewise::net::unix::pipe;
use framewise::net::{TcpListener, TcpStream, UnixStream};
use framewise_test_support::on_workers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = futures::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

/// The first end closes its writing half; the second one reads the end, and still writes much.
macro_rules! half_close {
    ($first:expr, $second:expr) => {{
        let (mut first, mut second) = ($first, $second);
        first.write_all(b"last words").await.unwrap();
        AsyncWriteExt::shutdown(&mut first).await.unwrap();
        let answering = framewise::spawn(async move {
            let mut heard = Vec::new();
            second.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"last words");
            assert_eq!(
                AsyncReadExt::read(&mut second, &mut [0; 4]).await.unwrap(),
                0
            );
            second.write_all(&vec![7; 1 << 20]).await.unwrap();
            AsyncWriteExt::shutdown(&mut second).await.unwrap();
        });
        let mut answer = Vec::new();
        first.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, vec![7; 1 << 20]);
        let error = first.write_all(b"no").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        answering.await.unwrap();
    }};
}

#[test]
fn the_other_direction_of_a_stream_goes_on() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let (first, second) = tcp().await;
            half_close!(first, second);
            let (first, second) = UnixStream::pair().unwrap();
            half_close!(first, second);
        });
    });
}

/// Closing one's own reading half ends one's reads; the peer's half is open.
#[test]
fn a_closed_reading_half_reads_the_end_and_writes_still() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let (first, second) = tcp().await;
            first.shut_down(Shutdown::Read).unwrap();
            assert_eq!(first.read(&mut [0; 4]).await.unwrap(), 0);
            first.write_all(b"hello").await.unwrap();
            let mut heard = [0; 5];
            second.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"hello");
        });
    });
}

/// A wait to read ends when the stream's own reading half is closed.
#[test]
fn a_read_that_waits_ends_when_its_own_half_is_closed() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let (first, _second) = tcp().await;
            let mut buffer = [0; 4];
            let mut reading = std::pin::pin!(first.read(&mut buffer));
            assert!(futures::poll!(&mut reading).is_pending());
            first.shut_down(Shutdown::Read).unwrap();
            assert_eq!(reading.await.unwrap(), 0);
        });
    });
}

#[test]
fn the_ends_of_a_pipe_close_each_on_its_own() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let (sender, mut receiver) = pipe::pipe().unwrap();
            sender.write_all(b"last words").await.unwrap();
            drop(sender);
            let mut heard = Vec::new();
            receiver.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"last words");

            let (sender, receiver) = pipe::pipe().unwrap();
            drop(receiver);
            let error = sender.write_all(b"no").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
    });
}
