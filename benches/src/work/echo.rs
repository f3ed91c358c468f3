//! A TCP server that sends back what it gets.

use std::net::SocketAddr;

use crate::Face;

/// The bytes of a connection's buffer.
pub const BUFFER: usize = 1024;

/// Starts the server as tasks of the runtime, which serve until the runtime ends.
///
/// # Panics
///
/// Panics where the system gives no socket.
pub fn start<R: Face>(runtime: &R) -> SocketAddr {
    let handle = runtime.handle();
    runtime.run(async move {
        let (listener, address) = R::listen().expect("the loopback has a free port");
        R::detach(handle, accept::<R>(handle, listener));
        address
    })
}

async fn accept<R: Face>(handle: R::Handle, listener: R::Listener) {
    loop {
        let stream = R::accept(&listener).await;
        R::detach(handle, serve::<R>(stream.expect("there are descriptors")));
    }
}

async fn serve<R: Face>(mut stream: R::Stream) {
    let mut buffer = [0; BUFFER];
    // An error is a client that has gone.
    while let Ok(count) = R::read(&mut stream, &mut buffer).await {
        if count == 0 || R::write_all(&mut stream, &buffer[..count]).await.is_err() {
            return;
        }
    }
}
