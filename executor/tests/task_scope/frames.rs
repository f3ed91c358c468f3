//! The frames of body, children and outputs.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::sync::mpsc::channel;

use framewise::Frame;
use framewise::cancel;
use framewise::deadline;
use framewise::net::UdpSocket;
use framewise::panics::{self, Handled};
use framewise::spawn;
use framewise::task::{self, yield_now};
use framewise::time::Duration;
use framewise_test_support::{ID, Log};

use super::on_all;

/// Waits for what never comes, until the frame's work ends.
async fn receive() -> std::io::Result<usize> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.recv(&mut [0; 16]).await
}

#[test]
fn c104_a_child_has_the_frame_of_its_spawn_and_the_body_its_own() {
    on_all(|runtime, id| {
        runtime.block_on(async {
            let seen = task::scope(async |mut children| {
                children.spawn(async { ID.get() });
                ID.run(91, || children.spawn(async { ID.get() }));
                ID.run(92, || children.spawn_blocking(|| ID.get()));
                let body = async {
                    children.spawn(async {
                        yield_now().await;
                        spawn(async { ID.get() }).await.unwrap()
                    });
                    assert_eq!(ID.get(), Some(93));
                };
                ID.scope(93, body).await;
                assert_eq!(ID.get(), id);
                children.results().await
            });
            let seen: Vec<_> = seen.await.into_iter().map(Result::unwrap).collect();
            assert_eq!(seen, [id, Some(91), Some(92), Some(93)]);
            assert_eq!(ID.get(), id);
        });
    });
}

#[test]
fn c104_a_cancel_of_the_scope_reaches_children_and_theirs_and_no_other_code() {
    on_all(|runtime, _| {
        runtime.block_on(async {
            let outside = spawn(async {
                while !cancel::is_cancelled() {
                    yield_now().await;
                }
            });
            task::scope(async |mut children| {
                children.spawn(receive());
                children.spawn(async {
                    // A task of the child's own.
                    let task = spawn(receive());
                    cancel::shield(task).await.unwrap()
                });
                let handle = children.cancel_handle();
                yield_now().await;
                children.cancel_with("enough");
                assert!(handle.is_cancelled());
                assert!(!cancel::is_cancelled(), "the body is cancelled");
                // Spawned afterwards.
                children.spawn(receive());
                for result in children.results().await {
                    let error = result.unwrap().unwrap_err();
                    assert!(cancel::is(&error), "{error}");
                    assert!(error.to_string().ends_with("enough"), "{error}");
                }
            })
            .await;
            assert!(!cancel::is_cancelled());
            assert!(!outside.is_finished());
            outside.abort();
        });
    });
}

#[test]
fn c104_a_child_without_flow_is_reached_by_an_abort_alone() {
    on_all(|runtime, _| {
        runtime.block_on(task::scope(async |mut children| {
            let child = Frame::without_flow(|| {
                children.spawn(async {
                    while !ID.run(1, cancel::is_cancelled) {
                        assert_eq!(ID.get(), None);
                        yield_now().await;
                    }
                })
            });
            children.cancel();
            for _ in 0..3 {
                yield_now().await;
            }
            assert!(!child.is_finished(), "the cancel has reached it");
            child.abort();
            let ended = children.join_next().await.unwrap();
            assert!(ended.unwrap_err().is_cancelled());
        }));
    });
}

#[test]
fn c104_the_end_of_the_frame_around_reaches_the_children() {
    on_all(|runtime, _| {
        runtime.block_on(async {
            let (handle, scope) = cancel::scope();
            let work = scope.scope(task::scope(async |mut children| {
                children.spawn(receive());
                children.spawn(receive());
                yield_now().await;
                handle.cancel();
                assert!(cancel::is_cancelled());
                children.results().await
            }));
            for result in work.await {
                assert!(cancel::is(&result.unwrap().unwrap_err()));
            }
            let work = deadline::within(
                Duration::from_millis(5),
                task::scope(async |mut children| {
                    children.spawn(receive());
                    children.results().await
                }),
            );
            for result in work.await {
                assert_eq!(result.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
            }
        });
    });
}

#[test]
fn c105_outputs_are_dropped_in_the_frame_of_their_owner() {
    on_all(|runtime, id| {
        let log = Log::default();
        runtime.block_on(async {
            let kept = task::scope(async |mut children| {
                for label in ["kept", "left"] {
                    let output = log.tracker(label);
                    ID.run(90, || children.spawn(async move { output }));
                    if label == "kept" {
                        yield_now().await;
                    }
                }
                let mut results = children.join_next().await.into_iter();
                assert!(log.entries().is_empty());
                results.next()
            });
            let kept = kept.await;
            // One of the two was taken, and the other dropped by the scope.
            assert_eq!(log.entries().len(), 1);
            ID.run(91, || drop(kept));
        });
        let frames: Vec<_> = log.entries().into_iter().map(|(_, id)| id).collect();
        assert_eq!(frames, [id, Some(91)]);
    });
}

#[test]
fn c105_a_child_s_panic_is_its_joiner_s_or_is_reported_in_its_frame() {
    on_all(|runtime, _| {
        let (sender, reports) = channel();
        let handler = panics::handle(move |error| {
            sender.send((ID.get(), error.to_string())).unwrap();
            Handled::Yes
        });
        let fail = || async { ID.run(12, || panic!("expected")) };
        runtime.block_on(handler.scope(async {
            task::scope(async |mut children| {
                children.spawn(fail());
                let error = children.join_next().await.unwrap().unwrap_err();
                assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(12));
            })
            .await;
            assert!(reports.try_recv().is_err(), "the joined one");
            let other = task::scope(async |mut children| {
                children.spawn(fail());
                let (goes_on, waits) = futures::channel::oneshot::channel();
                children.spawn(async { waits.await.unwrap() });
                while reports.try_recv().is_ok() {}
                goes_on.send(()).unwrap();
                7
            });
            assert_eq!(other.await, 7, "the other child runs on");
            let report = (Some(12), "the task panicked: expected".to_owned());
            assert_eq!(reports.try_recv(), Ok(report));
        }));
    });
}
