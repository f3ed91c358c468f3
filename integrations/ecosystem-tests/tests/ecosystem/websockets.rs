//! WebSockets by tokio-tungstenite over framewise's own sockets, under random conversations and
//! random bytes.

use std::net::SocketAddr;

use framewise::net::{TcpListener, TcpStream};
use futures::{SinkExt, StreamExt};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{accept_async, client_async};

use super::{REQUEST, plain};

/// Echoes what each connection sends; the connection's number is bound. A connection that speaks no
/// WebSocket, or breaks off, ends with an error and nothing else.
async fn serve(listener: TcpListener) {
    let mut number = 1000;
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        number += 1;
        drop(framewise::spawn(REQUEST.scope(number, async move {
            let Ok(mut socket) = accept_async(stream).await else {
                return;
            };
            while let Some(Ok(message)) = socket.next().await {
                assert_eq!(REQUEST.get(), Some(number));
                if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err()
                {
                    return;
                }
            }
        })));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        "\\PC{0,200}".prop_map(Step::Text),
        prop::collection::vec(any::<u8>(), 0..100_000).prop_map(Step::Binary),
        prop::collection::vec(any::<u8>(), 0..125).prop_map(Step::Ping),
    ]
}

/// Sends all messages and expects each back, in order; pings are answered meanwhile.
async fn converse(address: SocketAddr, number: u64, steps: Vec<Step>) -> TestCaseResult {
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, _) = client_async("ws://localhost/", stream).await.unwrap();
    prop_assert_eq!(REQUEST.get(), Some(number));
    let (mut sending, mut receiving) = socket.split();
    let messages = steps.into_iter().map(|step| match step {
        Step::Text(text) => Message::text(text),
        Step::Binary(bytes) => Message::binary(bytes),
        Step::Ping(bytes) => Message::Ping(Bytes::from(bytes)),
    });
    let messages: Vec<_> = messages.collect();
    let sent = messages.clone();
    let sender = framewise::spawn(async move {
        for message in sent {
            assert_eq!(REQUEST.get(), Some(number));
            sending.send(message).await.unwrap();
        }
        sending
    });
    for message in messages {
        let expected = match message {
            Message::Ping(bytes) => Message::Pong(bytes),
            other => other,
        };
        // Pongs may be left out where pings come quickly: the last one counts (RFC 6455, 5.5.3).
        loop {
            let received = receiving.next().await.unwrap().unwrap();
            prop_assert_eq!(REQUEST.get(), Some(number));
            if received == expected {
                break;
            }
            prop_assert!(expected.is_pong() || received.is_pong(), "{received:?}");
            if expected.is_pong() && !received.is_pong() {
                return Err(TestCaseError::fail("a message came before its turn"));
            }
        }
    }
    let mut sending = sender.await.unwrap();
    sending.close().await.unwrap();
    while let Some(Ok(_)) = receiving.next().await {}
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn random_conversations_come_back_whole_in_their_frames(
        conversations in prop::collection::vec(prop::collection::vec(step(), 0..12), 1..6),
        workers in 1_usize..4,
    ) {
        plain(workers).block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            drop(framewise::spawn_root(serve(listener)));
            let tasks: Vec<_> = (0..)
                .zip(conversations)
                .map(|(number, steps)| {
                    let conversation = converse(address, number, steps);
                    framewise::spawn(REQUEST.scope(number, conversation))
                })
                .collect();
            for task in tasks {
                task.await.unwrap()?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }

    #[test]
    fn random_bytes_end_their_connection_and_no_other(
        garbage in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 1..6),
        upgraded in any::<bool>(),
    ) {
        plain(2).block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            drop(framewise::spawn_root(serve(listener)));
            let sound = framewise::spawn(REQUEST.scope(7, async move {
                let steps = vec![Step::Text("sound".to_owned()); 10];
                converse(address, 7, steps).await
            }));
            for bytes in garbage {
                let stream = TcpStream::connect(address).await.unwrap();
                let stream = if upgraded {
                    let (socket, _) = client_async("ws://localhost/", stream).await.unwrap();
                    socket.into_inner()
                } else {
                    stream
                };
                // The server may close the connection meanwhile.
                let _ = stream.write_all(&bytes).await;
            }
            sound.await.unwrap()
        })?;
    }
}
