//! The client of the price service: a pool of HTTP connections on framewise's own sockets.
//!
//! Each call carries the request's id and tenant, which it takes from the frame. The pool's
//! connections outlive the request that happened to open them, so their drivers run at the root:
//! they belong to no request.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{Request, StatusCode};
use framewise::hyper::{Connector, client_builder};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;

use crate::context::{REQUEST_ID, TENANT};
use crate::price_service::Price;
use crate::turns::Turns;
use crate::web::{X_REQUEST_ID, X_TENANT};

/// How many calls are under way at once, and so how many connections there are; the others wait for
/// their turn.
const CALLS_MAX: usize = 128;
/// The longest reply that is read, in bytes.
const REPLY_MAX: usize = 4 * 1024;

/// Why there is no price.
#[derive(Debug)]
pub(crate) enum PriceError {
    /// The service does not know the item.
    Unknown,
    /// The service did not answer in time.
    TooSlow(Duration),
    /// The service cannot be reached, or does not answer as it should.
    Failed(String),
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PriceError::Unknown => f.write_str("the price service does not know it"),
            PriceError::TooSlow(within) => {
                write!(f, "the price service did not answer within {within:?}")
            }
            PriceError::Failed(why) => write!(f, "the price service failed: {why}"),
        }
    }
}

/// The client.
pub(crate) struct Prices {
    client: Client<Connector, Empty<Bytes>>,
    address: SocketAddr,
    within: Duration,
    turns: Turns<()>,
}

impl Prices {
    /// Creates a client of the service at `address`. Connections stay open for `idle` after their
    /// last use, which must be shorter than the service keeps them open, so that no call uses a
    /// connection that is just being closed.
    pub(crate) fn new(address: SocketAddr, within: Duration, idle: Duration) -> Prices {
        let client = client_builder()
            .pool_idle_timeout(idle)
            .pool_max_idle_per_host(CALLS_MAX)
            .build(Connector::new());
        Prices {
            client,
            address,
            within,
            turns: Turns::new([(); CALLS_MAX]),
        }
    }

    /// Returns what one of `sku` costs, in cents. Waiting for a turn counts as waiting for the
    /// service.
    pub(crate) async fn cents(&self, sku: &str) -> Result<u32, PriceError> {
        let call = async {
            let _turn = self.turns.take().await;
            self.call(sku).await
        };
        match framewise::time::timeout(self.within, call).await {
            Ok(outcome) => outcome,
            Err(_) => Err(PriceError::TooSlow(self.within)),
        }
    }

    async fn call(&self, sku: &str) -> Result<u32, PriceError> {
        let failed = |error: &dyn fmt::Display| PriceError::Failed(error.to_string());
        let mut request = Request::get(format!("http://{}/prices/{sku}", self.address));
        if let Some(id) = REQUEST_ID.get() {
            request = request.header(X_REQUEST_ID, &*id);
        }
        if let Some(tenant) = TENANT.get() {
            request = request.header(X_TENANT, &*tenant);
        }
        let request = request.body(Empty::new()).map_err(|error| failed(&error))?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| failed(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), REPLY_MAX);
        let body = body
            .collect()
            .await
            .map_err(|error| failed(&error))?
            .to_bytes();
        match status {
            StatusCode::OK => {
                let price: Price = serde_json::from_slice(&body).map_err(|error| failed(&error))?;
                Ok(price.cents)
            }
            StatusCode::NOT_FOUND => Err(PriceError::Unknown),
            other => Err(failed(&format_args!("it replied {other}"))),
        }
    }
}
