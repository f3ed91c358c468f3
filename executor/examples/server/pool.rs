//! Database connections, lent to jobs on the blocking pool.
//!
//! A task that waits for a connection holds no thread. A connection that failed is replaced
//! by a new one at its next use. Knows no statement and no table.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use framewise::{cancel, deadline};
use rusqlite::{Connection, OpenFlags};

use crate::log::{Site, log};
use crate::turns::Turns;

/// How long another process may hold the write lock before a write fails.
const BUSY: Duration = Duration::from_secs(1);
/// How long a task waits for its turn at a connection before it fails.
const TURN: Duration = Duration::from_secs(30);

/// After how many steps of SQLite's machine a statement asks whether its time is over: some
/// microseconds.
const STEPS: i32 = 1_000;

/// The database cannot be used just now.
#[derive(Debug)]
pub(crate) struct StoreError(String);

impl StoreError {
    pub(crate) fn new(message: String) -> Self {
        StoreError(message)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Connections that are lent out.
pub(crate) struct Pool(Turns<Slot>);

/// A place for a connection: empty before the first use, and after an error that a new connection
/// may fix.
struct Slot {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Pool {
    pub(crate) fn new(path: &Path, size: usize) -> Pool {
        let slot = || Slot {
            path: path.to_owned(),
            connection: None,
        };
        Pool(Turns::new(std::iter::repeat_with(slot).take(size)))
    }

    /// Runs `work` with a connection on the blocking pool. A failure is logged here, once.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        customer: Option<Arc<str>>,
        what: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, StoreError> {
        let failed = move |customer: &Option<Arc<str>>, why: &dyn fmt::Display| {
            log(
                Site::Database,
                customer.as_deref(),
                format_args!("could not {what}: {why}"),
            );
            StoreError::new(format!("the database cannot {what} just now ({why})"))
        };
        let Ok(mut turn) = framewise::time::timeout(TURN, self.0.take()).await else {
            return Err(match cancel::cause() {
                Some(ended) => failed(&customer, &ended),
                None => failed(&customer, &"too many are waiting"),
            });
        };
        let about = customer.clone();
        let job = framewise::spawn_blocking(move || {
            let outcome = turn.thing().map(|slot| slot.run(work));
            match outcome {
                Some(Ok(result)) => Ok(result),
                Some(Err(error)) => Err(failed(&about, &error)),
                None => Err(failed(&about, &"it is closed")),
            }
        });
        // A call that waits for a thread, and a statement that runs, end with the request's
        // deadline by themselves: see `prepare`. The answer is awaited in any case, so that the
        // caller knows whether a write was done.
        match deadline::shield(job).await {
            Ok(outcome) => outcome,
            Err(error) => Err(failed(&customer, &error)),
        }
    }
}

impl Slot {
    fn run<R>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<R>,
    ) -> rusqlite::Result<R> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => reopen(&self.path)?,
        };
        let result = work(&mut connection);
        // A lock of another process is released again; after any other error, also if the
        // operation was cut off by its deadline, the next use opens a new connection.
        if result.as_ref().err().is_none_or(is_busy) {
            self.connection = Some(connection);
        }
        result
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked)
    )
}

/// Opens the database, and creates the file if there is none.
pub(crate) fn create(path: &Path) -> rusqlite::Result<Connection> {
    prepare(Connection::open(path)?)
}

/// Opens the database, which existed before: an empty one in its place would lose every order.
fn reopen(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    prepare(Connection::open_with_flags(path, flags)?)
}

fn prepare(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A statement is interrupted when the work of the frame in which it runs has ended. The
    // connection asks while it works, on the thread that works: so no call comes too early, before
    // the statement, or too late, at the next one. `cancel::on_cancel` and SQLite's `interrupt`
    // would cost nothing while a statement runs, and would need to exclude both.
    connection.progress_handler(STEPS, Some(cancel::is_cancelled));
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewise::runtime::Runtime;
    use rusqlite::ErrorCode::OperationInterrupted;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A statement that never ends by itself.
    const ENDLESS: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";

    #[test]
    fn a_statement_ends_with_its_deadline_and_its_connection_is_not_used_again() {
        static INTERRUPTED: AtomicUsize = AtomicUsize::new(0);
        let name = format!("framewise-pool-{}.sqlite3", std::process::id());
        let path = std::env::temp_dir().join(name);
        drop(create(&path).expect("a database"));
        let pool = Pool::new(&path, 1);
        let marked = |db: &mut Connection| -> rusqlite::Result<bool> {
            let marked = "SELECT count(*) > 0 FROM temp.sqlite_master WHERE name = 'mark'";
            db.query_row(marked, [], |row| row.get(0))
        };
        Runtime::new().expect("a runtime").block_on(async {
            let mark = |db: &mut Connection| db.execute_batch("CREATE TEMP TABLE mark (x)");
            pool.run(None, "mark the connection", mark)
                .await
                .expect("it is free");
            assert!(pool.run(None, "look", marked).await.expect("it is free"));
            let endless = pool.run(None, "count", |db| {
                let counted = db.query_row(ENDLESS, [], |row| row.get::<_, i64>(0));
                if let Err(error) = &counted
                    && error.sqlite_error_code() == Some(OperationInterrupted)
                {
                    INTERRUPTED.fetch_add(1, Ordering::Relaxed);
                }
                counted
            });
            let limited = deadline::within(Duration::from_millis(20), endless);
            assert!(limited.await.is_err());
            assert_eq!(INTERRUPTED.load(Ordering::Relaxed), 1);
            assert!(!pool.run(None, "look", marked).await.expect("it is free"));
        });
        drop(std::fs::remove_file(&path));
    }
}
