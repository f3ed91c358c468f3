//! The local runtime: tasks that are not `Send`.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use framewise::runtime::{Builder, LocalOptions, LocalRuntime, RuntimeFlavor};
use framewise::task::{JoinSet, LocalSet, spawn_local, yield_now};
use framewise::time::sleep;
use framewise::{spawn, spawn_blocking};
use framewise_test_support::{HangWatch, ID, Log, OnDrop, in_frames, panic_message};

fn runtime() -> LocalRuntime {
    LocalRuntime::new().unwrap()
}

#[test]
fn local_tasks_and_send_tasks_run_on_the_thread() {
    let runtime = runtime();
    let here = thread::current().id();
    let count = Rc::new(Cell::new(0));
    let early = runtime.spawn_local({
        let count = Rc::clone(&count);
        async move { count.set(count.get() + 1) }
    });
    runtime.block_on(async {
        early.await.unwrap();
        let local = spawn_local({
            let count = Rc::clone(&count);
            async move {
                yield_now().await;
                // From a task, too, and from a task that is Send.
                let inner = Rc::clone(&count);
                spawn_local(async move { inner.set(inner.get() + 1) })
                    .await
                    .unwrap();
                count.set(count.get() + 1);
            }
        });
        let send = spawn(async move {
            assert_eq!(thread::current().id(), here);
            let shared = Rc::new(Cell::new(0));
            let inner = Rc::clone(&shared);
            drop(spawn_local(async move { inner.set(1) }));
        });
        send.await.unwrap();
        local.await.unwrap();
        let mut set = JoinSet::new();
        let shared = Rc::clone(&count);
        set.spawn_local(async move { shared.get() });
        assert_eq!(set.join_all().await, [3]);
    });
    assert_eq!(count.get(), 3);
    assert_eq!(
        runtime.handle().runtime_flavor(),
        RuntimeFlavor::CurrentThread
    );
}

#[test]
fn spawn_local_works_where_the_thread_has_entered_the_runtime() {
    let runtime = runtime();
    let shared = Rc::new(41);
    let task = {
        let _entered = runtime.enter();
        spawn_local(async move { *shared + 1 })
    };
    assert_eq!(runtime.block_on(task).unwrap(), 42);
    let message = panic_message(|| spawn_local(async {}));
    assert!(message.contains("LocalRuntime"), "{message}");
}

/// The handle may go to other threads. There it spawns what is `Send`, and nothing local.
#[test]
fn a_handle_on_another_thread_spawns_what_is_send() {
    let _watch = HangWatch::new("a handle of a local runtime");
    let runtime = runtime();
    let here = thread::current().id();
    let handle = runtime.handle().clone();
    let other = thread::spawn(move || {
        let entered = handle.enter();
        let message = panic_message(|| spawn_local(async {}));
        assert!(message.contains("LocalRuntime"), "{message}");
        drop(entered);
        let task = handle.spawn(async { thread::current().id() });
        // Waits for the other thread to drive.
        handle.block_on(task).unwrap()
    });
    let ran_on = runtime.block_on(async {
        let call = spawn_blocking(|| {
            let message = panic_message(|| spawn_local(async {}));
            assert!(message.contains("LocalRuntime"), "{message}");
        });
        call.await.unwrap();
        spawn_blocking(move || other.join().unwrap()).await.unwrap()
    });
    assert_eq!(ran_on, here);
}

/// Wakers and abort handles of local tasks are used on other threads; the tasks stay here.
#[test]
fn wakes_and_aborts_of_other_threads_leave_the_task_here() {
    let _watch = HangWatch::new("a local task");
    let runtime = runtime();
    let here = thread::current().id();
    for _ in 0..200 {
        let (send, receive) = tokio::sync::oneshot::channel();
        let dropped_on = Rc::new(Cell::new(None));
        let dropped = Rc::clone(&dropped_on);
        let tracker = OnDrop(move || dropped.set(Some(thread::current().id())));
        let task = runtime.spawn_local(async move {
            let _tracker = tracker;
            let number: u64 = receive.await.unwrap();
            assert_eq!(thread::current().id(), here);
            pending::<()>().await;
            number
        });
        let abort = task.abort_handle();
        let waking = thread::spawn(move || {
            send.send(7).unwrap();
            abort.abort();
        });
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(dropped_on.get(), Some(here));
        waking.join().unwrap();
    }
}

#[test]
fn c43_a_local_runtime_drops_its_tasks_here_in_their_frames() {
    let ends: [fn(LocalRuntime); 3] = [
        |runtime| drop(runtime),
        |runtime| assert!(runtime.shutdown_timeout(Duration::from_secs(60))),
        |runtime| runtime.shutdown_background(),
    ];
    for end in ends {
        let runtime = runtime();
        let log = Log::default();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (wake, wakes) = mpsc::channel();
        for number in 0..3 {
            let (log, seen) = (log.clone(), Rc::clone(&seen));
            let tracker = OnDrop(move || {
                log.add("dropped");
                seen.borrow_mut().push(thread::current().id());
            });
            let wake = wake.clone();
            drop(ID.run(number, || {
                runtime.spawn_local(async move {
                    let _tracker = tracker;
                    std::future::poll_fn(|cx| {
                        wake.send(cx.waker().clone()).unwrap();
                        std::task::Poll::<()>::Pending
                    })
                    .await;
                })
            }));
        }
        runtime.block_on(yield_now());
        // Woken on another thread while the runtime ends.
        let waking = thread::spawn(move || wakes.try_iter().for_each(std::task::Waker::wake));
        end(runtime);
        let mut entries = log.entries();
        entries.sort_unstable();
        assert_eq!(entries, [0, 1, 2].map(|number| ("dropped", Some(number))));
        assert_eq!(*seen.borrow(), [thread::current().id(); 3]);
        waking.join().unwrap();
    }
}

#[test]
fn c32_local_tasks_run_in_their_frames() {
    in_frames(|id| {
        let runtime = runtime();
        let seen = runtime.block_on(async {
            let own = ID.run(7, || spawn_local(async { ID.get() }));
            let inherited = spawn_local(async {
                sleep(Duration::from_millis(1)).await;
                ID.get()
            });
            (own.await.unwrap(), inherited.await.unwrap())
        });
        assert_eq!(seen, (Some(7), id));
    });
}

/// The innermost of a set, a local runtime and an entered set gets the task.
#[test]
fn a_set_that_is_polled_comes_before_the_runtime_and_the_runtime_before_an_entered_set() {
    let runtime = runtime();
    let outer = LocalSet::new();
    let _entered = outer.enter();
    runtime.block_on(async {
        let set = LocalSet::new();
        let (of_set, of_runtime) = set
            .run_until(async { (spawn_local(async { 1 }), runtime.spawn_local(async { 2 })) })
            .await;
        assert_eq!(of_runtime.await.unwrap(), 2);
        assert!(!of_set.is_finished());
        drop(set);
        assert!(of_set.await.unwrap_err().is_cancelled());
        // Runs: it is no task of the entered set, which no thread polls.
        assert_eq!(spawn_local(async { 3 }).await.unwrap(), 3);
    });
}

#[test]
fn a_local_runtime_needs_a_current_thread_builder() {
    let message = panic_message(|| Builder::new().build_local(LocalOptions::default()));
    assert!(message.contains("new_current_thread"), "{message}");
}

#[test]
fn a_panic_of_a_local_task_goes_to_its_joiner_or_to_the_hook() {
    let (sender, reports) = mpsc::channel();
    let runtime = Builder::new_current_thread()
        .on_unhandled_panic(move |error| sender.send(error.to_string()).unwrap())
        .build_local(LocalOptions::default())
        .unwrap();
    runtime.block_on(async {
        let joined = spawn_local(async { panic!("joined") });
        let joined: Result<(), _> = joined.await;
        assert!(joined.unwrap_err().is_panic());
        drop(spawn_local(async { panic!("detached") }));
        yield_now().await;
    });
    assert!(reports.recv().unwrap().contains("detached"));
    assert!(reports.try_recv().is_err());
}
