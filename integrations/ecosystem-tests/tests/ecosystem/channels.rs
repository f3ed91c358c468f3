//! Channels of other crates: flume's, tokio's and futures'. A receiver is in its own frame, and
//! what carries a frame with it is opened in the sender's.

use framewise::context::WithFrame;
use futures::StreamExt;

use super::{REQUEST, for_each_request, plain};

#[test]
fn an_actor_behind_a_channel_of_flume_works_in_each_senders_frame() {
    for workers in [1, 2, 8] {
        plain(workers).block_on(async {
            let (requests, received) = flume::bounded::<WithFrame<flume::Sender<u64>>>(4);
            let actor = framewise::spawn_root(async move {
                while let Ok(request) = received.recv_async().await {
                    assert_eq!(REQUEST.get(), None, "the actor is in its own frame");
                    let (answer, frame) = request.into_parts();
                    let work = frame.scope(async move {
                        framewise::task::yield_now().await;
                        let number = REQUEST.get().unwrap();
                        answer.send_async(number).await.unwrap();
                    });
                    work.await;
                }
            });
            for_each_request(|number| {
                let requests = requests.clone();
                async move {
                    let (answer, answered) = flume::bounded(1);
                    requests.send_async(WithFrame::new(answer)).await.unwrap();
                    assert_eq!(answered.recv_async().await.unwrap(), number);
                }
            })
            .await;
            drop(requests);
            actor.await.unwrap();
        });
    }
}

#[test]
fn streams_of_futures_keep_the_consumers_frame() {
    for workers in [1, 2, 8] {
        plain(workers).block_on(async {
            for_each_request(|number| async move {
                let squares = futures::stream::iter(0..20_u64)
                    .map(|each| async move {
                        framewise::task::yield_now().await;
                        assert_eq!(REQUEST.get(), Some(number));
                        each * each
                    })
                    .buffer_unordered(4);
                let sum = squares
                    .fold(0, |sum, square| async move { sum + square })
                    .await;
                assert_eq!(sum, 2470);
            })
            .await;
        });
    }
}
