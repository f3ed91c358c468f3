//! A small service that is written for tokio, and moved by the name of the crate alone. Its frames
//! are looked at; nothing in it passes them on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate framewise_tokio as tokio;

use std::time::Duration;

use framewise::ContextVar;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

static REQUEST: ContextVar<String> = ContextVar::new("request");

/// A question to the one task that answers: a line, and where the answer goes.
type Question = (String, oneshot::Sender<String>);

fn request() -> String {
    REQUEST.get().unwrap_or_default()
}

/// Answers questions in upper case. It was spawned at the root, and belongs to no request.
async fn answer(mut questions: mpsc::Receiver<Question>) {
    while let Some((line, reply)) = questions.recv().await {
        assert_eq!(request(), "");
        let _ = reply.send(line.to_uppercase());
    }
}

/// Serves one connection: for each line, what every part of its work sees as the request.
async fn connection(stream: TcpStream, questions: mpsc::Sender<Question>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let seen = REQUEST
            .scope(line.clone(), handle(line, questions.clone()))
            .await;
        write
            .write_all(format!("{}\n", seen.join(" ")).as_bytes())
            .await?;
    }
    write.shutdown().await
}

async fn handle(line: String, questions: mpsc::Sender<Question>) -> Vec<String> {
    let mut seen = vec![request()];
    seen.push(tokio::spawn(async { request() }).await.unwrap());
    seen.push(tokio::task::spawn_blocking(request).await.unwrap());
    sleep(Duration::from_millis(1)).await;
    seen.push(request());

    let mut set = JoinSet::new();
    set.spawn(async {
        tokio::task::yield_now().await;
        request()
    });
    seen.push(set.join_next().await.unwrap().unwrap());

    let (reply, answer) = oneshot::channel();
    questions.send((line, reply)).await.unwrap();
    let patience = timeout(Duration::from_secs(60), answer);
    tokio::select! {
        biased;
        answer = patience => {
            seen.push(request());
            seen.push(answer.unwrap().unwrap());
        }
        () = std::future::pending() => {}
    }
    let (one, other) = tokio::join!(async { request() }, async { request() });
    seen.extend([one, other]);
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_of_a_request_sees_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (questions, inbox) = mpsc::channel(8);
    tokio::spawn(answer(inbox));
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(connection(stream, questions.clone()));
        }
    });

    let mut clients = JoinSet::new();
    for client in 0..8 {
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(format!("a{client}\nb{client}\n").as_bytes())
                .await
                .unwrap();
            stream.shutdown().await.unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await.unwrap();
            let expected = |line: String| {
                let upper = line.to_uppercase();
                format!("{line} {line} {line} {line} {line} {line} {upper} {line} {line}\n")
            };
            assert_eq!(
                reply,
                expected(format!("a{client}")) + &expected(format!("b{client}"))
            );
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
}

/// Code that only knows tokio itself finds it, by the feature `compat`.
#[cfg(feature = "compat")]
#[tokio::test]
async fn a_crate_that_uses_tokio_itself_finds_it() {
    let listener = upstream::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap();
    assert!(listener.local_addr().unwrap().port() > 0);
    REQUEST
        .scope("tokio's timer".to_owned(), async {
            upstream::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(request(), "tokio's timer");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_paused_time_takes_none() {
    let start = Instant::now();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(3600));
}
