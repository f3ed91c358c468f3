//! A tokio runtime beside ours (feature `tokio-compat`): its sockets, timers and tasks in our
//! tasks, with their frames.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use framewise::ContextVar;
use framewise::runtime::{Builder, Runtime, RuntimeFlavor};
use framewise::task::{self, LocalSet, coop};
use framewise_test_support::HangWatch;
use futures::{FutureExt, StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

static REQUEST: ContextVar<u64> = ContextVar::new("request");

fn runtime(workers: usize) -> Runtime {
    let builder = match workers {
        0 => Builder::new_current_thread(),
        workers => Builder::new().worker_threads(workers),
    };
    builder.tokio_compat().build().unwrap()
}

/// Also on a current-thread runtime, which has none.
fn on_each_number_of_workers(test: impl Fn(&Runtime)) {
    for workers in [0, 1, 2, 8] {
        test(&runtime(workers));
    }
}

/// A request over tokio's sockets, with one of tokio's timers.
async fn exchange() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = framewise::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4];
        stream.read_exact(&mut request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        stream.write_all(&request).await.unwrap();
        REQUEST.get()
    });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
    assert_eq!(server.await.unwrap(), REQUEST.get());
}

#[test]
fn c51_awaiting_tokios_sockets_and_timers_keeps_the_frame() {
    on_each_number_of_workers(|runtime| {
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                runtime.spawn(REQUEST.scope(number, async move {
                    exchange().await;
                    assert_eq!(REQUEST.get(), Some(number));
                }))
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        runtime.block_on(exchange());
        assert_eq!(REQUEST.get(), None);
    });
}

#[test]
fn every_thread_of_the_runtime_is_in_tokios() {
    on_each_number_of_workers(|runtime| {
        let is_in_tokio = || tokio::runtime::Handle::try_current().is_ok();
        assert!(runtime.block_on(async move { is_in_tokio() }));
        assert!(
            runtime
                .block_on(runtime.spawn(async move { is_in_tokio() }))
                .unwrap()
        );
        let call = runtime.spawn_blocking(is_in_tokio);
        assert!(runtime.block_on(call).unwrap());
        let in_place = runtime.spawn(async move {
            let replaced = framewise::spawn(async move { is_in_tokio() });
            task::block_in_place(|| framewise::block_on(replaced)).unwrap() && is_in_tokio()
        });
        let in_place = runtime.block_on(in_place);
        // No other thread could run the tasks of a current-thread runtime meanwhile.
        match runtime.handle().runtime_flavor() {
            RuntimeFlavor::MultiThread => assert!(in_place.unwrap()),
            _ => assert!(in_place.unwrap_err().is_panic()),
        }
        let local = LocalSet::new();
        let in_set =
            local.run_until(async move { task::spawn_local(async move { is_in_tokio() }).await });
        assert!(runtime.block_on(in_set).unwrap());
        let entered = runtime.enter();
        assert!(is_in_tokio());
        drop(entered);
        assert!(!is_in_tokio());
    });
}

#[test]
fn c65_what_is_spawned_on_tokio_is_at_the_root_and_scopes_work_there() {
    // Where tokio has its hooks, it inherits.
    let inherited = cfg!(tokio_unstable).then_some(7);
    on_each_number_of_workers(|runtime| {
        runtime.block_on(REQUEST.scope(7, async {
            let bare = tokio::spawn(async { REQUEST.get() });
            assert_eq!(bare.await.unwrap(), inherited);
            let scoped = tokio::spawn(framewise::Frame::current().scope(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                REQUEST.get()
            }));
            assert_eq!(scoped.await.unwrap(), Some(7));
            assert_eq!(REQUEST.get(), Some(7));
        }));
    });
}

#[test]
fn threads_of_tokio_are_in_our_runtime() {
    on_each_number_of_workers(|runtime| {
        runtime.block_on(async {
            let on_tokio = tokio::spawn(REQUEST.scope(7, async {
                framewise::time::sleep(Duration::from_millis(1)).await;
                let ours = framewise::spawn(async {
                    exchange().await;
                    REQUEST.get()
                });
                ours.await.unwrap()
            }));
            assert_eq!(on_tokio.await.unwrap(), Some(7));
            let call = tokio::task::spawn_blocking(|| framewise::spawn(async { 1 }));
            assert_eq!(call.await.unwrap().await.unwrap(), 1);
        });
    });
}

#[test]
fn without_the_option_tokios_parts_fail_with_tokios_message() {
    let runtime = Builder::new().worker_threads(1).build().unwrap();
    let task = runtime.spawn(async { tokio::time::sleep(Duration::from_millis(1)).await });
    let error = runtime.block_on(task).unwrap_err();
    assert!(
        error.to_string().contains("there is no reactor running"),
        "{error}"
    );
}

/// Sends when it is dropped.
struct Dropped(mpsc::Sender<&'static str>, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

#[test]
fn the_end_drops_the_tasks_of_both_ours_first() {
    for workers in [1, 2, 8] {
        let runtime = runtime(workers);
        let (sender, order) = mpsc::channel();
        let (ready, waits) = mpsc::channel();
        let (of_tokio, of_ours) = (Dropped(sender.clone(), "tokio's"), Dropped(sender, "ours"));
        drop(runtime.spawn(async move {
            let ready_on_tokio = ready.clone();
            tokio::spawn(async move {
                let _dropped = of_tokio;
                ready_on_tokio.send(()).unwrap();
                pending::<()>().await;
            });
            let _dropped = of_ours;
            ready.send(()).unwrap();
            pending::<()>().await;
        }));
        waits.recv().unwrap();
        waits.recv().unwrap();
        drop(runtime);
        assert_eq!(order.try_iter().collect::<Vec<_>>(), ["ours", "tokio's"]);
    }
}

/// tokio panics where a runtime is dropped in asynchronous code, and where a thread of it would
/// wait for itself.
#[test]
fn a_runtime_can_be_dropped_on_a_thread_of_any_of_both() {
    let runtime = runtime(2);
    let of_worker = self::runtime(1);
    runtime
        .block_on(runtime.spawn(async move { drop(of_worker) }))
        .unwrap();
    let of_tokio = self::runtime(1);
    runtime.block_on(async { tokio::spawn(async move { drop(of_tokio) }).await.unwrap() });
    // On its own tokio thread, too.
    let own = self::runtime(1);
    let handle = own.handle().clone();
    let (sender, ended) = mpsc::channel();
    let _entered = handle.enter();
    tokio::spawn(async move {
        drop(own);
        sender.send(()).unwrap();
    });
    ended.recv().unwrap();
}

#[test]
fn c90_a_runtime_that_has_ended_is_released() {
    let kept = Arc::new(());
    let held = Arc::clone(&kept);
    let builder = Builder::new().worker_threads(1).tokio_compat();
    let runtime = builder.on_unhandled_panic(move |_| drop(Arc::clone(&held)));
    let runtime = runtime.build().unwrap();
    runtime.block_on(async { tokio::task::spawn_blocking(|| ()).await.unwrap() });
    drop(runtime);
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[test]
fn a_thread_of_tokio_that_cannot_start_is_an_error() {
    let builder = Builder::new().worker_threads(1).tokio_compat();
    let error = builder.thread_stack_size(1 << 50).build().unwrap_err();
    assert!(
        error.to_string().contains("could not be started"),
        "{error}"
    );
}

#[test]
fn a_shutdown_with_a_limit_does_not_wait_longer_for_tokio() {
    let runtime = runtime(1);
    let (started, waits) = mpsc::channel();
    let (release, blocked) = mpsc::channel::<()>();
    runtime.block_on(async {
        tokio::task::spawn_blocking(move || {
            started.send(()).unwrap();
            let _ = blocked.recv();
        });
    });
    waits.recv().unwrap();
    // Returns although the call of tokio's pool still waits.
    runtime.shutdown_timeout(Duration::from_millis(20));
    release.send(()).unwrap();
}

/// Finds its channel ready each time, until `stop` is set by something else that runs.
async fn always_ready(stop: Arc<AtomicBool>) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    while !stop.load(Ordering::Relaxed) {
        sender.send(()).unwrap();
        receiver.recv().await.unwrap();
    }
}

/// Two such futures beside each other: the second one lets the first one go.
async fn always_ready_beside_another(other: impl AsyncFnOnce(Arc<AtomicBool>)) {
    let stop = Arc::new(AtomicBool::new(false));
    let busy = framewise::spawn(always_ready(Arc::clone(&stop)));
    other(stop).await;
    busy.await.unwrap();
}

#[test]
fn a_task_that_finds_tokios_channels_always_ready_starves_no_other() {
    let builders = [
        Builder::new().worker_threads(1),
        Builder::new_current_thread(),
    ];
    for builder in builders {
        let _watch = HangWatch::new(format!("{builder:?}"));
        let runtime = builder.tokio_compat().build().unwrap();
        runtime.block_on(always_ready_beside_another(async |stop| {
            let other = framewise::spawn(async move { stop.store(true, Ordering::Relaxed) });
            other.await.unwrap();
        }));
        // The future of `block_on` itself, and a local task.
        let stop = Arc::new(AtomicBool::new(false));
        let set = LocalSet::new();
        set.spawn_local({
            let stop = Arc::clone(&stop);
            async move { stop.store(true, Ordering::Relaxed) }
        });
        runtime.block_on(set.run_until(always_ready(stop)));
        let stop = Arc::new(AtomicBool::new(false));
        set.spawn_local(always_ready(Arc::clone(&stop)));
        runtime.block_on(set.run_until(async move {
            task::yield_now().await;
            stop.store(true, Ordering::Relaxed);
        }));
    }
}

/// Receives until tokio's budget denies it, and returns how many messages that were.
async fn received_in_one_poll(messages: usize) -> usize {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    (0..messages).for_each(|_| sender.send(()).unwrap());
    poll_fn(|cx| {
        let received = |_: &usize| receiver.poll_recv(cx).is_ready();
        Poll::Ready((0..messages).take_while(received).count())
    })
    .await
}

/// Calls `test` in a task, in `block_on`'s future and in a local task.
fn in_each_kind_of_poll<F>(test: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    on_each_number_of_workers(|runtime| {
        runtime.block_on(runtime.spawn(test())).unwrap();
        runtime.block_on(test());
        let local = LocalSet::new();
        let task = local.spawn_local(test());
        runtime.block_on(local.run_until(task)).unwrap();
    });
}

#[test]
fn what_is_unconstrained_is_exempt_from_tokios_budget() {
    in_each_kind_of_poll(async || {
        let received = coop::unconstrained(received_in_one_poll(1000)).await;
        assert_eq!(received, 1000);
        let limited = received_in_one_poll(1000).await;
        assert!((1..=128).contains(&limited), "{limited}");
        let stream = stream::once(received_in_one_poll(1000));
        let received = pin!(coop::unconstrained(stream)).next().await;
        assert_eq!(received, Some(1000));
    });
}

#[test]
fn units_that_are_consumed_are_tokios_too() {
    in_each_kind_of_poll(async || {
        assert!(coop::has_budget_remaining());
        while coop::consume_budget().now_or_never().is_some() {}
        assert!(!coop::has_budget_remaining());
        assert_eq!(received_in_one_poll(1000).await, 0);
        task::yield_now().await;
        // Those that tokio's channels spend count there alone.
        assert!(received_in_one_poll(1000).await > 0);
        assert!(!coop::has_budget_remaining());
        assert!(coop::consume_budget().now_or_never().is_some());
    });
}

/// Otherwise the task would have no budget until its next poll.
#[test]
fn tokios_budget_is_the_same_after_block_in_place() {
    let on_worker = async {
        task::block_in_place(|| assert_eq!(framewise::block_on(async { 7 }), 7));
        let limited = received_in_one_poll(1000).await;
        assert!((1..=128).contains(&limited), "{limited}");
        task::block_in_place(|| ());
        assert_eq!(received_in_one_poll(1000).await, 0);
    };
    let runtime = runtime(2);
    runtime.block_on(runtime.spawn(on_worker)).unwrap();
}

/// A call of tokio's that blocks. It panics in a poll, where others would wait for the thread.
fn blocks() -> std::thread::Result<Option<u64>> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    sender.try_send(7).unwrap();
    catch_unwind(AssertUnwindSafe(|| receiver.blocking_recv()))
}

#[test]
fn tokios_blocking_calls_panic_in_polls_and_work_where_blocking_is_allowed() {
    for builder in [
        Builder::new().worker_threads(2),
        Builder::new_current_thread(),
    ] {
        let runtime = builder.tokio_compat().build().unwrap();
        let handle = runtime.handle().clone();
        let blocked = blocks().expect("no runtime polls this thread");
        assert_eq!(blocked, Some(7));
        runtime.block_on(async move {
            assert!(blocks().is_err());
            assert!(framewise::spawn(async { blocks().is_err() }).await.unwrap());
            let blocking = framewise::spawn_blocking(|| blocks().unwrap());
            assert_eq!(blocking.await.unwrap(), Some(7));
            if handle.runtime_flavor() == RuntimeFlavor::MultiThread {
                let in_place = async {
                    let blocked = task::block_in_place(|| {
                        // Also within a nested `block_on`, whose future is polled again.
                        assert!(framewise::block_on(async { blocks().is_err() }));
                        blocks().unwrap()
                    });
                    assert!(blocks().is_err(), "it is over");
                    blocked
                };
                assert_eq!(framewise::spawn(in_place).await.unwrap(), Some(7));
            }
        });
        assert_eq!(blocks().unwrap(), Some(7));
    }
}

/// What a crate spawns on tokio: at the root, or where tokio has its hooks, in its spawner's frame.
#[test]
fn a_task_of_tokio_inherits_where_it_has_hooks() {
    let expected = cfg!(tokio_unstable).then_some(7);
    let seen = runtime(2).block_on(REQUEST.scope(7, async {
        tokio::spawn(async {
            tokio::task::yield_now().await;
            REQUEST.get()
        })
        .await
    }));
    assert_eq!(seen.unwrap(), expected);
}

/// tokio's thread-locals are destroyed before one that is older. tokio panics at their use, and a
/// panic in such a destructor aborts the process.
#[test]
fn a_runtime_that_a_thread_local_drops_ends_without_tokios_thread_locals() {
    use framewise::runtime::{Builder, Runtime};
    use std::cell::RefCell;

    thread_local! {
        static KEPT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }

    let thread = std::thread::spawn(|| {
        KEPT.with(|kept| {
            let mut kept = kept.borrow_mut();
            assert!(kept.is_none());
            let runtime = Builder::new_current_thread().tokio_compat().build();
            let runtime = kept.insert(runtime.unwrap());
            runtime.block_on(async { assert!(tokio::runtime::Handle::try_current().is_ok()) });
        });
    });
    thread.join().unwrap();
}
