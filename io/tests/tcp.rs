//! TCP through the public API.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Reactor, pair};

#[test]
fn an_echo_comes_back() {
    let reactor = Reactor::new();
    reactor.run(async {
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
