//! A tenant's orders as one long reply, which is made while it is sent.
//!
//! The handler has returned when the first page is read: the connection's task polls the body. The
//! layer puts its log lines and queries into the request's frame (`web::finish`).

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, header};
use futures::stream;

use crate::app::App;
use crate::log::{Site, log};

/// The progress of a reply.
struct Export {
    app: Arc<App>,
    /// The last order that was sent.
    after: i64,
    count: usize,
}

/// `GET /orders/export`: the tenant's orders, one JSON object a line, read in pages as the client
/// takes them.
pub(crate) async fn export(State(app): State<Arc<App>>) -> ([(HeaderName, &'static str); 1], Body) {
    let start = Export {
        app,
        after: 0,
        count: 0,
    };
    let pages = stream::unfold(Some(start), next_page);
    let content_type = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (content_type, Body::from_stream(pages))
}

/// Returns the next page as text, and the reply's progress after it. An error breaks the reply off:
/// a client must not take a part for the whole.
async fn next_page(export: Option<Export>) -> Option<(io::Result<String>, Option<Export>)> {
    let mut export = export?;
    let page = match export.app.store.page(export.after).await {
        Ok(page) => page,
        Err(error) => return Some((Err(io::Error::other(error.to_string())), None)),
    };
    let Some(last) = page.last() else {
        let count = export.count;
        log(Site::Handler, None, format_args!("{count} orders exported"));
        return None;
    };
    export.after = last.id;
    export.count += page.len();
    let mut text = String::new();
    for order in &page {
        match serde_json::to_string(order) {
            Ok(line) => text = text + &line + "\n",
            Err(error) => return Some((Err(error.into()), None)),
        }
    }
    Some((Ok(text), Some(export)))
}
