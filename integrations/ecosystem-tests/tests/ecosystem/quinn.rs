//! QUIC by quinn over our UDP sockets and timers, by quinn's trait for runtimes.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use framewise::net::{Interest, UdpSocket};
use framewise::time::{self, Sleep};
use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncTimer, AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, UdpPoller};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{REQUEST, for_each_request, plain};

/// What quinn needs of a runtime.
#[derive(Debug)]
struct Framewise;

impl Runtime for Framewise {
    fn new_timer(&self, deadline: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer(time::sleep_until(deadline.into())))
    }

    /// Spawns the driver of an endpoint or of a connection: at the root, since a connection's work
    /// belongs to no request.
    fn spawn(&self, driver: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(framewise::spawn_root(driver));
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(Socket {
            state: UdpSocketState::new((&socket).into())?,
            socket: UdpSocket::from_std(socket)?,
        }))
    }
}

#[derive(Debug)]
struct Timer(Sleep);

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.0.reset(deadline.into());
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

#[derive(Debug)]
struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller {
            socket: self,
            wait: None,
        })
    }

    fn try_send(&self, datagram: &Transmit<'_>) -> io::Result<()> {
        let send = || self.state.send((&self.socket).into(), datagram);
        self.socket.try_io(Interest::WRITABLE, send)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [io::IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_recv_ready(cx))?;
            let receive = || self.state.recv((&self.socket).into(), buffers, meta);
            match self.socket.try_io(Interest::READABLE, receive) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }
}

/// The wait of one connection: a socket has several, so each needs a waiter of its own.
struct Poller {
    socket: Arc<Socket>,
    wait: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>>,
}

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = Arc::clone(&self.socket);
        let wait = self
            .wait
            .get_or_insert_with(|| Box::pin(async move { socket.socket.writable().await }));
        let writable = ready!(wait.as_mut().poll(cx));
        self.wait = None;
        Poll::Ready(writable)
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

fn configurations() -> (quinn::ServerConfig, quinn::ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = quinn::ServerConfig::with_single_cert(vec![certificate.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = quinn::ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    (server, client)
}

fn endpoint(server: Option<quinn::ServerConfig>) -> Endpoint {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let configuration = EndpointConfig::default();
    Endpoint::new(configuration, server, socket, Arc::new(Framewise)).unwrap()
}

/// Echoes each stream, in a task of its own.
async fn serve(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        drop(framewise::spawn(async move {
            let connection = incoming.await.unwrap();
            while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                drop(framewise::spawn(async move {
                    let message = receive.read_to_end(1 << 20).await.unwrap();
                    send.write_all(&message).await.unwrap();
                    send.finish().unwrap();
                }));
            }
        }));
    }
}

#[test]
fn streams_of_a_shared_connection_keep_each_requests_frame() {
    for workers in [1, 2, 8] {
        plain(workers).block_on(async {
            let (server, client) = configurations();
            let listening = endpoint(Some(server));
            let address = listening.local_addr().unwrap();
            let serving = framewise::spawn_root(serve(listening.clone()));
            let mut own = endpoint(None);
            own.set_default_client_config(client);
            let connection = own.connect(address, "localhost").unwrap().await.unwrap();
            for_each_request(|number| {
                let connection = connection.clone();
                async move {
                    let (mut send, mut receive) = connection.open_bi().await.unwrap();
                    assert_eq!(REQUEST.get(), Some(number));
                    let message = vec![number as u8; 20_000];
                    send.write_all(&message).await.unwrap();
                    send.finish().unwrap();
                    assert_eq!(REQUEST.get(), Some(number));
                    let answer = receive.read_to_end(1 << 20).await.unwrap();
                    assert_eq!(REQUEST.get(), Some(number));
                    assert_eq!(answer, message);
                }
            })
            .await;
            connection.close(0_u32.into(), b"");
            own.wait_idle().await;
            listening.close(0_u32.into(), b"");
            serving.await.unwrap();
        });
    }
}
