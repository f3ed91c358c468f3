//! Operations that fail because the work of their frame has ended: a loop that goes on after errors
//! yields.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use framewise::net::{Interest, TcpListener, TcpStream, UdpSocket, lookup_host};
use framewise::runtime::Runtime;
use framewise::task::yield_now;
use framewise::time::timeout;
use framewise::{cancel, deadline, fs, spawn, spawn_blocking};
use framewise_test_support::on_workers;

use crate::{UNITS, count_operation, counted};

/// Repeats an operation in a frame whose work has ended, and checks that it fails 128 times in one
/// poll, and yields then.
fn fails_128_times<T, E>(
    name: &str,
    runtime: &Runtime,
    mut operation: impl AsyncFnMut() -> Result<T, E>,
) {
    let (handle, scope) = cancel::scope();
    handle.cancel();
    let most = runtime.block_on(counted(scope.scope(async {
        // The first poll may have started with other operations.
        yield_now().await;
        for _ in 0..3 * UNITS {
            assert!(operation().await.is_err(), "{name}");
            count_operation();
        }
    })));
    assert_eq!(most, UNITS, "{name}");
}

#[test]
fn every_operation_that_fails_at_its_frame_s_end_yields_after_128() {
    on_workers(|runtime| {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let stream = runtime.block_on(TcpStream::connect(address)).unwrap();
        let udp = runtime.block_on(UdpSocket::bind("127.0.0.1:0")).unwrap();
        macro_rules! fail {
            ($($name:literal: $operation:expr;)+) => {$(
                fails_128_times($name, runtime, async || $operation);
            )+};
        }
        fail! {
            "accept": listener.accept().await;
            "poll_accept": poll_fn(|cx| listener.poll_accept(cx)).await;
            "ready": stream.ready(Interest::READABLE).await;
            "read": stream.read(&mut [0]).await;
            "read of nothing": stream.read(&mut []).await;
            "tokio's read of nothing": poll_fn(|cx| {
                let mut bytes = tokio::io::ReadBuf::new(&mut []);
                tokio::io::AsyncRead::poll_read(Pin::new(&mut &stream), cx, &mut bytes)
            }).await;
            "recv_from": udp.recv_from(&mut [0]).await;
            "connect": TcpStream::connect(address).await;
            "connect of several": TcpStream::connect(&[address, address][..]).await;
            "lookup_host": lookup_host("127.0.0.1:80").await.map(drop);
            "lookup of a name": lookup_host("localhost:80").await.map(drop);
            "fs": fs::metadata(".").await;
            "timeout": timeout(Duration::from_secs(3600), pending::<()>()).await;
            "enforce": deadline::enforce(pending::<()>()).await;
            "a call of the pool": spawn_blocking(|| ()).await;
        }

        let mut task = runtime.spawn(pending::<()>());
        fails_128_times("JoinHandle", runtime, async || (&mut task).await);
        task.abort();

        let mut directory = runtime.block_on(fs::read_dir(".")).unwrap();
        fails_128_times("ReadDir", runtime, async || directory.next_entry().await);
        let mut file = runtime.block_on(fs::File::open("Cargo.toml")).unwrap();
        fails_128_times("File's read", runtime, async || file.read(&mut [0]).await);
        fails_128_times("set_len", runtime, async || file.set_len(0).await);
        let mut input = framewise::io::stdin();
        fails_128_times("Stdin", runtime, async || input.read(&mut [0]).await);
        let mut output = framewise::io::stdout();
        fails_128_times("Stdout", runtime, async || output.write(b"x").await);

        #[cfg(unix)]
        {
            use framewise::net::{UnixDatagram, UnixStream};
            fail! {
                "UnixStream::connect": UnixStream::connect("/nowhere").await;
            }
            let (datagrams, _peer) = {
                let _entered = runtime.enter();
                UnixDatagram::pair().unwrap()
            };
            fail! { "UnixDatagram": datagrams.recv(&mut [0]).await; }
            let _entered = runtime.enter();
            let mut child = framewise::process::Command::new("true").spawn().unwrap();
            fails_128_times("Child::wait", runtime, async || child.wait().await);
            runtime.block_on(child.wait()).unwrap();
        }
    });
}

/// A server whose loop goes on after each error does not keep its worker from other tasks.
#[test]
fn a_server_that_ignores_errors_leaves_its_worker_to_others() {
    let runtime = framewise_test_support::runtime(1);
    let stop = Arc::new(());
    let is_stopped = Arc::downgrade(&stop);
    runtime.block_on(async {
        let server = spawn(deadline::within(Duration::ZERO, async move {
            let listener = deadline::shield(TcpListener::bind("127.0.0.1:0")).await?;
            while is_stopped.strong_count() > 0 {
                let Ok(_) = listener.accept().await else {
                    continue;
                };
            }
            io::Result::Ok(())
        }));
        spawn(async move { drop(stop) }).await.unwrap();
        server.await.unwrap().unwrap();
    });
}
