//! Replies: JSON, and for everything that is wrong `{"error": "…"}` with a sentence that says what
//! would be right.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use framewise::deadline::Ended;

use crate::pool::StoreError;

/// Why a request is rejected. Also in the reply's extensions, for the log.
#[derive(Clone, Debug)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    /// The customer of the order, if there was one.
    pub(crate) customer: Option<Arc<str>>,
}

impl Rejection {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Rejection {
        Rejection {
            status,
            error: error.into(),
            customer: None,
        }
    }

    /// 400: malformed.
    pub(crate) fn malformed(error: impl Into<String>) -> Rejection {
        Rejection::new(StatusCode::BAD_REQUEST, error)
    }

    /// 422: understood, but invalid.
    pub(crate) fn invalid(error: impl Into<String>) -> Rejection {
        Rejection::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    /// 500: an internal error. The details go only into the log, under the same request.
    pub(crate) fn fault(error: impl fmt::Display) -> Rejection {
        Rejection::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("this is our fault ({error})"),
        )
    }

    /// 503: the server is stopping.
    pub(crate) fn stopping() -> Rejection {
        Rejection::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is stopping; try another one",
        )
    }

    /// 504: the request's time is over.
    pub(crate) fn late(ended: &Ended) -> Rejection {
        Rejection::new(StatusCode::GATEWAY_TIMEOUT, format!("too late: {ended}"))
    }

    pub(crate) fn about(mut self, customer: &Arc<str>) -> Rejection {
        self.customer = Some(customer.clone());
        self
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Rejection {
        Rejection::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{error}; try again in a second"),
        )
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = (
            self.status,
            Json(serde_json::json!({ "error": self.error })),
        )
            .into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
