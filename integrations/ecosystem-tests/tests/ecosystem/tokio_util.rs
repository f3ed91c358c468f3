//! tokio-util's codecs, `CancellationToken` and `TaskTracker` need no runtime of tokio's.

use framewise::net::{TcpListener, TcpStream};
use futures::{SinkExt, StreamExt};
use tokio_util::codec::{Framed, LinesCodec};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{REQUEST, REQUESTS, for_each_request, plain};

#[test]
fn framed_lines_over_our_sockets_keep_each_requests_frame() {
    for workers in [1, 2, 8] {
        plain(workers).block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = framewise::spawn_root(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (sink, lines) = Framed::new(stream, LinesCodec::new()).split::<String>();
                    drop(framewise::spawn(lines.forward(sink)));
                }
            });
            for_each_request(|number| async move {
                let stream = TcpStream::connect(address).await.unwrap();
                let mut lines = Framed::new(stream, LinesCodec::new());
                for line in 0..20 {
                    lines.send(format!("{number}.{line}")).await.unwrap();
                    let answer = lines.next().await.unwrap().unwrap();
                    assert_eq!(answer, format!("{number}.{line}"));
                    assert_eq!(REQUEST.get(), Some(number));
                }
            })
            .await;
            server.abort();
        });
    }
}

#[test]
fn a_cancelled_token_ends_the_tasks_that_a_tracker_waits_for() {
    for workers in [1, 2, 8] {
        plain(workers).block_on(async {
            let (token, tracker) = (CancellationToken::new(), TaskTracker::new());
            let tasks: Vec<_> = (0..REQUESTS)
                .map(|number| {
                    let token = token.child_token();
                    let task = tracker.track_future(async move {
                        token.cancelled().await;
                        REQUEST.get()
                    });
                    REQUEST.run(number, || framewise::spawn(task))
                })
                .collect();
            tracker.close();
            assert_eq!(tracker.len() as u64, REQUESTS);
            token.cancel();
            tracker.wait().await;
            for (number, task) in (0..).zip(tasks) {
                assert_eq!(task.await.unwrap(), Some(number));
            }
        });
    }
}
