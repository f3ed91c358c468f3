//! The setting that makes a runtime account for its work.

use std::hash::Hash;
use std::io;
use std::sync::Arc;

use super::Builder;
use crate::account::Account;
use crate::account::runtime::RuntimeAccount;

impl Builder {
    /// Accounts for the runtime's work by the values of a variable: how long its workers work for
    /// each of them, and more; see the [module](crate::account). An account belongs to one runtime.
    ///
    /// Without it accounting costs nothing. With it, a poll reads the clock once, which is most of
    /// what it costs. The first account of a process takes some milliseconds to find out how fast
    /// the clock is.
    ///
    /// [`build`](Self::build) fails with [`InvalidInput`](std::io::ErrorKind::InvalidInput) if the
    /// account has another runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{ContextVar, account, runtime::Builder};
    ///
    /// static TENANT: ContextVar<u64> = ContextVar::new("tenant");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let tenants = account::by(&TENANT);
    /// let runtime = Builder::new().account(&tenants).build()?;
    /// runtime.block_on(TENANT.run(7, || runtime.spawn(async {})))?;
    /// assert_eq!(tenants.snapshot().get(&7).map(|usage| usage.polls()), Some(1));
    /// assert!(Builder::new().account(&tenants).build().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn account<T>(mut self, account: &Account<T>) -> Self
    where
        T: Hash + Eq + Clone + Send + Sync + 'static,
    {
        self.account = Some(account.source());
        self
    }
    /// Begins the account of a runtime with that many workers, if one is set.
    pub(super) fn open_account(&self, workers: usize) -> io::Result<Option<Arc<RuntimeAccount>>> {
        let Some(source) = &self.account else {
            return Ok(None);
        };
        let account = RuntimeAccount::new(Arc::clone(source), workers)?;
        Ok(Some(Arc::new(account)))
    }
}
