//! The client of the price service: a pool of HTTP connections on framewise's own sockets.
//!
//! Each call carries the request's id and tenant, which it takes from the frame. The pool's
//! connections outlive the request that happened to open them, so their drivers run at the root:
//! they belong to no request.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::{Request, StatusCode};
use framewise::deadline;
use framewise::hyper::{Connector, client_builder};
use framewise::tower::{ClientDeadlineLayer, ClientDeadlineService};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use tower::{Layer, Service};

use crate::context::{REQUEST_ID, TENANT};
use crate::price_service::Price;
use crate::turns::Turns;
use crate::web::{X_REQUEST_ID, X_TENANT};

/// How much earlier a call's time ends than its request's: the time to receive why.
const MARGIN: Duration = Duration::from_millis(10);
/// The longest reply that is read, in bytes.
const REPLY_MAX: usize = 4 * 1024;

/// Why there is no price.
#[derive(Debug)]
pub(crate) enum PriceError {
    /// The service does not know the item.
    Unknown,
    /// The service did not answer in time.
    TooSlow(Duration),
    /// The request's time is over, here or at the service. It says whose deadline that was.
    TooLate(String),
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
            PriceError::TooLate(why) => f.write_str(why),
            PriceError::Failed(why) => write!(f, "the price service failed: {why}"),
        }
    }
}

/// The client.
pub(crate) struct Prices {
    client: ClientDeadlineService<Client<Connector, Empty<Bytes>>>,
    address: SocketAddr,
    within: Duration,
    turns: Turns<()>,
    /// A moving average of what calls take, in microseconds.
    usual_us: AtomicU64,
}

impl Prices {
    /// Creates a client of the service at `address`. Connections stay open for `idle` after their
    /// last use, which must be shorter than the service keeps them open, so that no call uses a
    /// connection that is just being closed.
    ///
    /// At most `calls` are under way at once, and so there are no more connections; the others wait
    /// for their turn.
    pub(crate) fn new(
        address: SocketAddr,
        calls: usize,
        within: Duration,
        idle: Duration,
    ) -> Prices {
        let client = client_builder()
            .pool_idle_timeout(idle)
            .pool_max_idle_per_host(calls)
            .build(Connector::new());
        // Each call says how much time its request has left.
        let client = ClientDeadlineLayer::millis()
            .with_margin(MARGIN)
            .layer(client);
        Prices {
            client,
            address,
            within,
            turns: Turns::new(vec![(); calls]),
            usual_us: AtomicU64::new(0),
        }
    }

    /// Returns what one of `sku` costs, in cents. Waiting for a turn counts as waiting for the
    /// service.
    ///
    /// The pool and the turns know no deadline, so the wait for them is dropped when it passes. The
    /// pool then closes the connection of a call that is cut off: the reply may still come, and
    /// must not be taken for that of another call.
    pub(crate) async fn cents(&self, sku: &str) -> Result<u32, PriceError> {
        let call = deadline::enforce(async {
            let _turn = self.turns.take().await;
            // A call that would be cut off takes the time of others. Under overload, where every
            // call has waited for long, it would be all of them.
            if deadline::remaining().is_some_and(|left| left < self.usual()) {
                let why = "there is not enough time left for a price call";
                return Err(PriceError::TooLate(why.to_owned()));
            }
            let begun = Instant::now();
            let cents = self.call(sku).await?;
            self.learn(begun.elapsed());
            Ok(cents)
        });
        // The earlier one counts, here and at the service: this limit, or the request's deadline.
        let is_ours = deadline::remaining().is_none_or(|left| left > self.within);
        let outcome = match deadline::within(self.within, call).await {
            Ok(outcome) => outcome,
            Err(ended) => Err(PriceError::TooLate(ended.to_string())),
        };
        match outcome {
            Err(PriceError::TooLate(_)) if is_ours => Err(PriceError::TooSlow(self.within)),
            outcome => outcome,
        }
    }

    /// Returns what a call usually takes, and a quarter more.
    fn usual(&self) -> Duration {
        // Ordering: Relaxed. It is an estimate, and publishes nothing.
        let micros = self.usual_us.load(Ordering::Relaxed);
        Duration::from_micros(micros + micros / 4)
    }

    /// Moves the estimate an eighth of the way to what a call has taken.
    fn learn(&self, taken: Duration) {
        let taken = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX);
        // Ordering: Relaxed, as above. An update that is lost does no harm.
        let usual = self.usual_us.load(Ordering::Relaxed);
        let next = usual - usual / 8 + taken / 8;
        self.usual_us.store(next, Ordering::Relaxed);
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
            .clone()
            .call(request)
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
            StatusCode::GATEWAY_TIMEOUT => {
                let reply: serde_json::Value =
                    serde_json::from_slice(&body).map_err(|error| failed(&error))?;
                let why = reply["error"]
                    .as_str()
                    .unwrap_or("the price service was too late");
                Err(PriceError::TooLate(why.to_owned()))
            }
            other => Err(failed(&format_args!("it replied {other}"))),
        }
    }
}
