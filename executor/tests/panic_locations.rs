//! A panic for a wrong call is reported at that call, and not inside of the library.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::future::pending;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::Duration;

use framewise::runtime::{Builder, Handle};
use framewise::task::{JoinSet, LocalSet, block_on, spawn_local};
use framewise::test::{self, Explorer};
use framewise::time::{
    Instant, interval, interval_at, pause, resume, set_interval, set_timeout, sleep, sleep_until,
};
use framewise::time::{timeout, timeout_at};
use framewise::{spawn, spawn_blocking, spawn_root};
use framewise_test_support::{at_once, on_workers, runtime};

thread_local! {
    /// The file and line of the last panic of this thread.
    static LAST: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// Checks that the call panics, at that call.
macro_rules! reported_here {
    ($($call:expr;)*) => {$(
        let (first, located) = (line!(), location_of(|| ignore($call)));
        let (file, line) = located;
        let call = stringify!($call);
        assert_eq!(file, file!(), "{call}");
        assert!((first + 1..first + 20).contains(&line), "{call}: {line}");
    )*};
}

fn ignore<T>(_: T) {}

/// Returns the file and the line of the panic of `call`.
fn location_of(call: impl FnOnce()) -> (String, u32) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let printed = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let location = info.location().unwrap();
            let here = (location.file().to_owned(), location.line());
            let _ = LAST.try_with(|last| last.replace(Some(here)));
            printed(info);
        }));
    });
    LAST.take();
    assert!(panic::catch_unwind(AssertUnwindSafe(call)).is_err());
    LAST.take().unwrap()
}

#[test]
fn a_call_outside_of_a_runtime() {
    let second = Duration::from_secs(1);
    let later = Instant::now() + second;
    let mut set = JoinSet::new();
    reported_here! {
        spawn(async {});
        spawn_root(async {});
        spawn_blocking(|| ());
        spawn_local(async {});
        Handle::current();
        set.spawn(async {});
        set.spawn_blocking(|| ());
        set.spawn_local(async {});
        set_timeout(second, || ());
        set_interval(second, || ());
        pause();
        resume();
    }
    reported_here! {
        at_once(async { sleep(second).await });
        at_once(async { sleep_until(later).await });
        at_once(async { timeout(second, pending::<()>()).await });
        at_once(async { timeout_at(later, pending::<()>()).await });
    }
}

#[test]
fn a_wrong_argument() {
    let error = |abort: bool| {
        let runtime = runtime(1);
        let task = runtime.spawn(async move {
            assert!(abort, "not aborted");
            pending::<()>().await;
        });
        if abort {
            task.abort();
        }
        runtime.block_on(task).unwrap_err()
    };
    assert!(error(false).try_into_panic().is_ok());
    reported_here! {
        error(true).into_panic();
        Builder::new().worker_threads(0);
        Builder::new().max_blocking_threads(0);
        interval(Duration::ZERO);
        interval_at(Instant::now(), Duration::ZERO);
        set_interval(Duration::ZERO, || ());
        Explorer::new().runs(0);
        test::run(0, pending::<()>);
    }
    let paused = Builder::new_current_thread().start_paused(true).build();
    paused.unwrap().block_on(async {
        reported_here! {
            pause();
            { resume(); resume(); };
        }
    });
    runtime(1).block_on(async {
        reported_here! {
            pause();
            resume();
        }
    });
}

#[test]
fn block_on_on_a_worker() {
    on_workers(|runtime| {
        let handle = runtime.handle().clone();
        let task = runtime.spawn(async move {
            reported_here! {
                block_on(async {});
                handle.block_on(async {});
            }
        });
        runtime.block_on(task).unwrap();
    });
    // In a seeded run, too.
    test::run(0, || async {
        let task = spawn(async {
            reported_here! {
                block_on(async {});
                Handle::current().block_on(async {});
            }
        });
        task.await.unwrap();
    });
}

#[test]
fn the_panic_of_a_task_that_a_set_passes_on_is_reported_where_it_began() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        let local = LocalSet::new();
        set.spawn_local_on(async { panic!("here") }, &local);
        let all: JoinSet<()> = set;
        let located = location_of(|| drop(local.block_on(runtime, all.join_all())));
        assert_eq!(located.0, file!());
    });
}
