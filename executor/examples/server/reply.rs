//! Replies: JSON, and for everything that is wrong `{"error": "…"}` with a sentence that says what
//! would be right.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::pool::StoreError;

/// A request that is not done, and why. Also found in the reply's extensions, for the log.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
    /// Whose order was at hand, if one was.
    pub(crate) customer: Option<Arc<str>>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal {
            status,
            error: error.into(),
            customer: None,
        }
    }

    /// 400: not to be understood.
    pub(crate) fn malformed(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, error)
    }

    /// 422: understood, but not to be done.
    pub(crate) fn invalid(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    /// 500: our fault. What went wrong is for the log, which has it under the same request.
    pub(crate) fn fault(error: impl fmt::Display) -> Refusal {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("this is our fault ({error})"),
        )
    }

    /// 503: on the way down.
    pub(crate) fn stopping() -> Refusal {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is stopping; try another one",
        )
    }

    pub(crate) fn about(mut self, customer: &Arc<str>) -> Refusal {
        self.customer = Some(customer.clone());
        self
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{error}; try again in a second"),
        )
    }
}

impl IntoResponse for Refusal {
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
