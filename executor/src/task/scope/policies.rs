//! What a scope's body may wait for: all results, all successes, or the first one. (The policies
//! are those of the joiners of Java's `StructuredTaskScope`, the names those of `futures`.)

use super::children::pass_on;
use super::{ChildError, TaskScope};
use crate::task::JoinError;

/// The cause of a cancel by `try_join_all`.
const FAILED: &str = "another task of the scope has failed";
/// The cause of a cancel by `select_ok`.
const SUCCEEDED: &str = "another task of the scope has succeeded";

impl<T> TaskScope<T> {
    /// Waits for all children, and returns their outputs and errors in the order of spawning.
    ///
    /// A child that was joined before is not among them.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the wait is dropped, the outputs of the children that have ended are.
    ///
    /// # Examples
    ///
    /// See [`scope`](fn@super::scope).
    pub async fn results(&mut self) -> Vec<Result<T, JoinError>> {
        let mut results = self.results_by_place().await;
        results.sort_unstable_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Like [`results`](Self::results), in the order in which the children end.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe, like [`results`](Self::results). [`join_next`](Self::join_next) is.
    pub async fn results_by_end(&mut self) -> Vec<Result<T, JoinError>> {
        let results = self.results_by_place().await;
        results.into_iter().map(|(_, result)| result).collect()
    }

    async fn results_by_place(&mut self) -> Vec<(usize, Result<T, JoinError>)> {
        let mut results = Vec::with_capacity(self.len());
        while let Some(result) = self.children_mut().next_place().await {
            results.push(result);
        }
        results
    }
}

impl<T, E> TaskScope<Result<T, E>> {
    /// Cancels and aborts the rest, and waits for it.
    async fn end_early(&mut self, cause: &'static str) {
        if let Err(panic) = self.children_mut().end(Some(cause)).await {
            pass_on(panic);
        }
    }

    /// Waits for all children, and returns their outputs in the order of spawning. The first error
    /// cancels and aborts the rest.
    ///
    /// It returns when all have ended. Further errors of the rest are dropped; a panic among them
    /// is reported like that of a task without a joiner. After an error the scope is
    /// [cancelled](Self::cancel), also for children that are spawned later.
    ///
    /// # Errors
    ///
    /// The first error: of a child that returned one, panicked, or was aborted by other code.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the wait is dropped, the outputs of the children that have ended are.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task;
    ///
    /// async fn price(sku: u64) -> Result<u64, String> {
    ///     if sku == 0 { Err("no such article".to_owned()) } else { Ok(sku * 100) }
    /// }
    ///
    /// # framewise::block_on(async {
    /// async fn prices(skus: &[u64]) -> Result<Vec<u64>, String> {
    ///     let prices = task::scope(async |mut children| {
    ///         for sku in skus.iter().copied() {
    ///             children.spawn(price(sku));
    ///         }
    ///         children.try_join_all().await
    ///     });
    ///     prices.await.map_err(|error| error.to_string())
    /// }
    /// assert_eq!(prices(&[3, 1]).await, Ok(vec![300, 100]));
    /// assert_eq!(prices(&[3, 0]).await, Err("no such article".to_owned()));
    /// # });
    /// ```
    pub async fn try_join_all(&mut self) -> Result<Vec<T>, ChildError<E>> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some((place, joined)) = self.children_mut().next_place().await {
            match ChildError::flatten(joined) {
                Ok(output) => outputs.push((place, output)),
                Err(error) => {
                    self.end_early(FAILED).await;
                    return Err(error);
                }
            }
        }
        outputs.sort_unstable_by_key(|(place, _)| *place);
        Ok(outputs.into_iter().map(|(_, output)| output).collect())
    }

    /// Waits for the first child that succeeds, and returns its output. It cancels and aborts the
    /// rest.
    ///
    /// It returns when all have ended. Other outputs are dropped; a panic of a child that ends
    /// after the first success is reported like that of a task without a joiner. After a success
    /// the scope is [cancelled](Self::cancel), also for children that are spawned later.
    ///
    /// # Errors
    ///
    /// If no child succeeds: the errors of all, in the order in which they ended. None, if there is
    /// no child.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the wait is dropped, the errors of the children that have ended are.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task;
    ///
    /// async fn fetch(mirror: &str) -> Result<String, String> {
    ///     match mirror {
    ///         "down" => Err("no route".to_owned()),
    ///         "slow" => std::future::pending().await,
    ///         _ => Ok(format!("from {mirror}")),
    ///     }
    /// }
    ///
    /// framewise::block_on(async {
    ///     let fetched = task::scope(async |mut children| {
    ///         for mirror in ["down", "slow", "near"] {
    ///             children.spawn(fetch(mirror));
    ///         }
    ///         children.select_ok().await
    ///     });
    ///     assert_eq!(fetched.await.expect("one is near"), "from near");
    /// });
    /// ```
    pub async fn select_ok(&mut self) -> Result<T, Vec<ChildError<E>>> {
        let mut errors = Vec::new();
        while let Some((_, joined)) = self.children_mut().next_place().await {
            match ChildError::flatten(joined) {
                Ok(output) => {
                    self.end_early(SUCCEEDED).await;
                    return Ok(output);
                }
                Err(error) => errors.push(error),
            }
        }
        Err(errors)
    }
}
