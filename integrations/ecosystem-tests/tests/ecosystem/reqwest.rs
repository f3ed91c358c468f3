//! reqwest insists on tokio's runtime: `Builder::tokio_compat`.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use futures::StreamExt;

use super::{REQUEST, for_each_request, with_tokio};

/// Serves `/n` with a body of the number `n`, a hundred times, in pieces.
async fn server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let number = |Path(number): Path<String>| async move {
        let pieces = futures::stream::iter(
            (0..100).map(move |_| Ok::<_, std::io::Error>(number.clone() + " ")),
        );
        axum::body::Body::from_stream(pieces)
    };
    let app = Router::new().route("/{number}", get(number));
    drop(framewise::spawn_root(async {
        axum::serve(listener, app).await
    }));
    format!("http://{address}")
}

#[test]
fn a_pooled_client_leaves_each_request_its_frame() {
    for workers in [1, 2, 8] {
        with_tokio(workers).block_on(async {
            let (base, client) = (Arc::new(server().await), reqwest::Client::new());
            for_each_request(|number| {
                let (base, client) = (Arc::clone(&base), client.clone());
                async move {
                    for _ in 0..5 {
                        let response = client.get(format!("{base}/{number}")).send().await.unwrap();
                        assert_eq!(REQUEST.get(), Some(number));
                        let mut body = response.bytes_stream();
                        let mut text = Vec::new();
                        while let Some(piece) = body.next().await {
                            assert_eq!(REQUEST.get(), Some(number));
                            text.extend_from_slice(&piece.unwrap());
                        }
                        assert_eq!(text, format!("{number} ").repeat(100).into_bytes());
                    }
                }
            })
            .await;
        });
    }
}

#[test]
fn a_request_limit_of_reqwest_ends_the_wait() {
    with_tokio(2).block_on(async {
        // It accepts nothing.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let limit = std::time::Duration::from_millis(20);
        let request = reqwest::Client::new().get(url).timeout(limit);
        let error = request.send().await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
    });
}

#[test]
fn without_tokio_compat_the_task_panics_and_the_runtime_goes_on() {
    let runtime = super::plain(1);
    let request = runtime.spawn(async { reqwest::get("http://127.0.0.1:9/").await.is_ok() });
    let error = runtime.block_on(request).unwrap_err();
    assert!(error.to_string().contains("no reactor running"), "{error}");
    assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
}
