//! A TCP echo server.

use std::net::SocketAddr;

use crate::BenchRuntime;

/// The size of a connection's buffer in bytes.
pub const BUFFER: usize = 1024;

/// Starts the server as tasks, which serve until the runtime shuts down.
///
/// # Panics
///
/// Panics if no socket can be opened.
pub fn start<R: BenchRuntime>(runtime: &R) -> SocketAddr {
    let handle = runtime.handle();
    runtime.run(async move {
        let (listener, address) = R::listen().expect("the loopback has a free port");
        R::detach(handle, accept::<R>(handle, listener));
        address
    })
}

async fn accept<R: BenchRuntime>(handle: R::Handle, listener: R::Listener) {
    loop {
        let stream = R::accept(&listener).await;
        R::detach(
            handle,
            serve::<R>(stream.expect("the descriptor limit is high enough")),
        );
    }
}

async fn serve<R: BenchRuntime>(mut stream: R::Stream) {
    let mut buffer = [0; BUFFER];
    // An error means that the client has disconnected.
    while let Ok(count) = R::read(&mut stream, &mut buffer).await {
        if count == 0 || R::write_all(&mut stream, &buffer[..count]).await.is_err() {
            return;
        }
    }
}
