//! tokio-rustls over framewise's own sockets, which have tokio's traits: nothing to set up.

use std::sync::Arc;

use framewise::net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{REQUEST, for_each_request, plain};

fn configurations() -> (TlsAcceptor, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server).into(), Arc::new(client).into())
}

#[test]
fn handshakes_and_large_messages_keep_each_requests_frame() {
    for workers in [1, 2, 8] {
        plain(workers).block_on(async {
            let (acceptor, connector) = configurations();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = framewise::spawn_root(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let acceptor = acceptor.clone();
                    drop(framewise::spawn(async move {
                        let mut stream = acceptor.accept(stream).await.unwrap();
                        let mut message = Vec::new();
                        stream.read_to_end(&mut message).await.unwrap();
                        stream.write_all(&message).await.unwrap();
                        stream.shutdown().await.unwrap();
                    }));
                }
            });
            for_each_request(|number| {
                let connector = connector.clone();
                async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    let name = ServerName::try_from("localhost").unwrap();
                    let mut stream = connector.connect(name, stream).await.unwrap();
                    assert_eq!(REQUEST.get(), Some(number));
                    let message = vec![number as u8; 100_000];
                    stream.write_all(&message).await.unwrap();
                    stream.shutdown().await.unwrap();
                    let mut answer = Vec::new();
                    stream.read_to_end(&mut answer).await.unwrap();
                    assert!(answer == message);
                    assert_eq!(REQUEST.get(), Some(number));
                }
            })
            .await;
            server.abort();
        });
    }
}

#[test]
fn an_unknown_certificate_is_an_error_for_both() {
    plain(2).block_on(async {
        let ((acceptor, _), (_, stranger)) = (configurations(), configurations());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = framewise::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            acceptor.accept(stream).await.is_err()
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        assert!(stranger.connect(name, stream).await.is_err());
        assert!(server.await.unwrap());
    });
}
