//! The HTTP side: the routes, and the layers that every request passes before its handler.
//!
//! `identify` binds the request's id and tenant, once and in one place, around all that follows:
//! the handler, what it starts, and a reply that is made while it is sent.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use framewise::account;
use framewise::cancel;
use framewise::context::{BindingList, Bindings};
use framewise::tower::{DeadlineLayer, FrameLayer};
use http_body_util::BodyExt;

use crate::app::App;
use crate::context::{DEFAULT_TENANT, NAME_RULE, REQUEST_ID, TENANT, is_name, new_request_id};
use crate::log::{Site, log};
use crate::reply::Rejection;
use crate::{export, orders, price_service};

/// The header that carries a request's id, to us, from us and onwards.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that carries a request's tenant, to us and onwards.
pub(crate) const X_TENANT: HeaderName = HeaderName::from_static("x-tenant");

/// The header that tells what a request cost: the handler, its tasks and its calls of the database.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The longest body that is taken.
const BODY_MAX: usize = 64 * 1024;
/// How much more is read and discarded, so that a client that is still sending reads the rejection
/// instead of a reset connection.
const DISCARD_MAX: usize = 1024 * 1024;

const ROUTES: &str = "POST /orders, GET /orders/{id}, POST /orders/{id}/pay, GET /orders/export, \
                      GET /prices/{sku}, GET /frames, GET /healthz";

/// All routes.
pub(crate) fn public(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route(
            "/orders",
            post(orders::create).fallback(|| wrong_method("POST")),
        )
        .route(
            "/orders/export",
            get(export::export).fallback(|| wrong_method("GET")),
        )
        .route(
            "/orders/{id}",
            get(orders::read).fallback(|| wrong_method("GET")),
        )
        .route(
            "/orders/{id}/pay",
            post(orders::pay).fallback(|| wrong_method("POST")),
        )
        .route("/frames", get(frames).fallback(|| wrong_method("GET")))
        .route("/healthz", get(healthz).fallback(|| wrong_method("GET")))
        .merge(price_routes())
        .fallback(no_route);
    finish(routes, app)
}

/// Only the price service, for the listener that the price client calls.
pub(crate) fn prices(app: Arc<App>) -> Router {
    finish(price_routes().fallback(no_route), app)
}

fn price_routes() -> Router<Arc<App>> {
    Router::new().route(
        "/prices/{sku}",
        get(price_service::price).fallback(|| wrong_method("GET")),
    )
}

fn finish(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    routes
        .layer(middleware::from_fn_with_state(app.clone(), check))
        .layer(FrameLayer::bind(identify))
        // The outermost: what is added last. So all that follows is under the deadline.
        .layer(DeadlineLayer::new().with_cap(app.request_within))
        .with_state(app)
}

async fn healthz() -> Response {
    axum::Json(serde_json::json!({ "status": "ok" })).into_response()
}

/// The live frames of this process, by the place that bound them: work that is not finished, or a
/// leak. This request has some, too.
async fn frames() -> Response {
    let Some(stats) = framewise::context::frame_stats() else {
        let error = "frames are not counted; build with debug assertions or frame-stats";
        return Rejection::new(StatusCode::NOT_FOUND, error).into_response();
    };
    axum::Json(serde_json::json!({ "live": stats.total(), "shown": stats.to_string() }))
        .into_response()
}

async fn no_route(method: Method, uri: Uri) -> Rejection {
    let error = format!("there is no {method} {}; there are {ROUTES}", uri.path());
    Rejection::new(StatusCode::NOT_FOUND, error)
}

async fn wrong_method(right: &'static str) -> Response {
    let error = format!("the method is wrong here; {right} would be right");
    let mut response = Rejection::new(StatusCode::METHOD_NOT_ALLOWED, error).into_response();
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(right));
    response
}

/// The request's id and tenant, which the layer binds. A header that is no name counts as missing
/// here; `check` rejects it.
fn identify(request: &Parts) -> Bindings<impl BindingList + use<>> {
    let name = |header: HeaderName| name(&request.headers, &header).ok().flatten();
    let id = name(X_REQUEST_ID).unwrap_or_else(new_request_id);
    let tenant = name(X_TENANT).unwrap_or_else(|| DEFAULT_TENANT.into());
    framewise::bind(&REQUEST_ID, id).and(&TENANT, tenant)
}

/// Rejects a request whose names break the rule, answers the others, and puts the request's id and
/// what it cost into the reply.
async fn check(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let rejected = [X_REQUEST_ID, X_TENANT]
        .iter()
        .find_map(|header| name(request.headers(), header).err());
    let (mut response, usage) = account::measure(async {
        let Some(rejection) = rejected else {
            let response = answer(request, next, app.read_within).await;
            // Whatever failed because the request's time is over: the reply says that.
            return match cancel::cause() {
                Some(ended) if !response.status().is_success() => {
                    logged(Rejection::late(&ended).into_response())
                }
                _ => logged(response),
            };
        };
        logged(rejection.into_response())
    })
    .await;
    if let Ok(usage) = HeaderValue::from_str(&usage.to_string()) {
        response.headers_mut().insert(SERVER_TIMING, usage);
    }
    // An id is plain ASCII, so this does not fail.
    if let Some(Ok(id)) = REQUEST_ID.get().map(|id| HeaderValue::from_str(&id)) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// Returns the name in a header, if the header exists; it must follow the rule for names.
fn name(headers: &HeaderMap, header: &HeaderName) -> Result<Option<Arc<str>>, Rejection> {
    let Some(value) = headers.get(header) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(text) if is_name(text.as_bytes()) => Ok(Some(text.into())),
        _ => Err(Rejection::malformed(format!(
            "the header {header} is no name; give {NAME_RULE}"
        ))),
    }
}

/// Logs a rejection.
fn logged(response: Response) -> Response {
    if let Some(Rejection {
        status,
        error,
        customer,
    }) = response.extensions().get()
    {
        log(
            Site::Handler,
            customer.as_deref(),
            format_args!("{}: {error}", status.as_u16()),
        );
    }
    response
}

/// Reads the whole body, within bounds, then lets the handler have the request.
async fn answer(request: Request, next: Next, read_within: Duration) -> Response {
    let (parts, body) = request.into_parts();
    let expects = parts.headers.contains_key(header::EXPECT);
    match framewise::time::timeout(read_within, read(body, expects)).await {
        Ok(Ok(bytes)) => {
            next.run(Request::from_parts(parts, Body::from(bytes)))
                .await
        }
        Ok(Err(rejection)) => rejection.into_response(),
        Err(_) => {
            let error = format!("the body did not come within {read_within:?}; send it faster");
            Rejection::new(StatusCode::REQUEST_TIMEOUT, error).into_response()
        }
    }
}

async fn read(mut body: Body, expects: bool) -> Result<Vec<u8>, Rejection> {
    use axum::body::HttpBody as _;
    let too_long = || {
        let error = format!("the body is too long; send {BODY_MAX} bytes or less");
        Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, error)
    };
    let announced = body.size_hint().lower();
    // A client that sends `Expect` has not sent the body yet; a body that is announced as far too
    // long is not read.
    let give_up = if expects {
        BODY_MAX
    } else {
        BODY_MAX + DISCARD_MAX
    };
    if announced > give_up as u64 {
        return Err(too_long());
    }
    let mut kept = Vec::with_capacity(usize::try_from(announced).unwrap_or(0).min(BODY_MAX));
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Rejection::malformed(format!("the body broke off ({error}); send all of it"))
        })?;
        // Trailers are ignored.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length > give_up {
            return Err(too_long());
        }
        if length <= BODY_MAX {
            kept.extend_from_slice(&data);
        }
    }
    if length > BODY_MAX {
        Err(too_long())
    } else {
        Ok(kept)
    }
}
