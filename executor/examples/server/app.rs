//! What the handlers share.

use std::sync::Arc;
use std::time::Duration;

use crate::expiry::Expiry;
use crate::jobs::Jobs;
use crate::options::Options;
use crate::prices::Prices;
use crate::store::Store;
use crate::work::Work;

/// The service's parts, as handlers see them.
pub(crate) struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) prices: Prices,
    pub(crate) expiry: Arc<Expiry>,
    pub(crate) jobs: Jobs,
    /// Work that must finish even if its client is gone: orders on their way into the database, and
    /// what follows from them.
    pub(crate) work: Arc<Work>,
    pub(crate) pay_within: Duration,
    pub(crate) price_delay: Duration,
    /// Prices are those of another server, which `prices` asks.
    pub(crate) forwards_prices: bool,
    pub(crate) request_within: Duration,
    pub(crate) read_within: Duration,
}

impl App {
    pub(crate) fn new(
        options: &Options,
        store: Arc<Store>,
        prices: Prices,
        jobs: Jobs,
        work: Arc<Work>,
    ) -> App {
        App {
            expiry: Arc::new(Expiry::new(store.clone(), work.clone())),
            store,
            prices,
            jobs,
            work,
            pay_within: options.pay_within,
            price_delay: options.price_delay,
            forwards_prices: options.prices_at.is_some(),
            request_within: options.request_within,
            read_within: options.read_within,
        }
    }
}
