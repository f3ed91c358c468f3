//! What each operation must do when its frame's work ends: one check for all rows of the table,
//! which is in `table.rs`.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use framewise::deadline::Ended;
use framewise::{ContextVar, cancel, deadline};

use crate::table;

static ROW: ContextVar<&str> = ContextVar::new("row");

/// The line below, at which the frames of the rows are bound.
const BOUND_AT: u32 = line!() + 3;

async fn bound<T>(name: &'static str, future: impl Future<Output = T>) -> T {
    ROW.scope(name, future).await
}

/// Returns the number of live frames of the rows in which an operation has failed.
fn live() -> usize {
    let stats = framewise::context::frame_stats().expect("tests count frames");
    stats.at(file!(), BOUND_AT)
}

/// An operation that waits, and what makes it possible.
pub(crate) struct Row<W, A> {
    pub(crate) name: &'static str,
    /// The operation, as often as it is called. It has a result only after `allow`.
    pub(crate) wait: W,
    pub(crate) allow: A,
    /// A time that passes: any, where the clock is paused.
    pub(crate) limit: Duration,
}

impl<W, A> Row<W, A>
where
    W: AsyncFn() -> io::Result<()>,
    A: AsyncFnOnce(),
{
    /// Checks that the operation ends by a deadline and by a cancel, keeps no frame then, does
    /// nothing after the end although it could, and works in a shield.
    #[expect(
        clippy::await_holding_lock,
        reason = "each test has a thread of its own"
    )]
    pub(crate) async fn check(self) {
        let Self {
            name,
            wait,
            allow,
            limit,
        } = self;
        table::assert_has(name);
        // The frames of all rows are counted together.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = live();

        let limited = deadline::within(limit, wait()).label(name);
        let error = bound(name, limited).await.expect_err(name);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{name}: {error:?}");
        let ended = Ended::find(&error).expect(name);
        assert!(ended.is_deadline() && ended.label() == Some(name), "{name}");
        assert_eq!(live(), before, "{name}: a frame is kept after a deadline");

        let (handle, scope) = cancel::scope_labeled(name);
        let cancelling = framewise::spawn(async move {
            framewise::task::yield_now().await;
            handle.cancel_with("enough")
        });
        let error = bound(name, scope.scope(wait())).await.expect_err(name);
        assert!(cancelling.await.expect(name));
        assert_eq!(error.kind(), io::ErrorKind::Other, "{name}: {error:?}");
        assert!(
            cancel::is(&error) && error.to_string().contains("enough"),
            "{name}"
        );
        assert_eq!(live(), before, "{name}: a frame is kept after a cancel");

        allow().await;
        let after = async {
            let error = wait().await.expect_err(name);
            assert!(deadline::is(&error), "{name}: {error:?}");
            deadline::shield(wait()).await
        };
        let shielded = deadline::within(Duration::ZERO, after);
        bound(name, shielded)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(live(), before, "{name}: a frame is kept after success");
    }
}
