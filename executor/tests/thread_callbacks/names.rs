//! `thread_name_fn`.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use framewise::Frame;
use framewise::runtime::Builder;
use framewise_test_support::{ID, with_workers};

fn name_here() -> String {
    thread::current().name().unwrap().to_owned()
}

#[test]
fn each_thread_has_a_name_of_the_function() {
    with_workers(|workers| {
        let next = AtomicUsize::new(0);
        let runtime = Builder::new()
            .worker_threads(workers)
            .thread_name("not this one")
            .thread_name_fn(move || format!("orders {}", next.fetch_add(1, Ordering::Relaxed)))
            .build()
            .unwrap();
        let on_worker = runtime.spawn(async { name_here() });
        let in_pool = runtime.spawn_blocking(name_here);
        let names = [on_worker, in_pool].map(|name| runtime.block_on(name).unwrap());
        let expected: HashSet<_> = (0..=workers).map(|n| format!("orders {n}")).collect();
        assert!(
            names.iter().all(|name| expected.contains(name)),
            "{names:?}"
        );
        assert_ne!(names[0], names[1]);
    });
}

#[test]
fn the_function_runs_at_the_root_also_for_a_call_of_a_request() {
    let roots = Arc::new(AtomicUsize::new(0));
    let runtime = Builder::new()
        .worker_threads(1)
        .thread_name_fn({
            let roots = Arc::clone(&roots);
            move || {
                roots.fetch_add(usize::from(Frame::current().is_root()), Ordering::Relaxed);
                "thread".to_owned()
            }
        })
        .build()
        .unwrap();
    let call = ID.run(7, || runtime.spawn_blocking(|| (name_here(), ID.get())));
    let (name, id) = runtime.block_on(call).unwrap();
    assert_eq!((name.as_str(), id), ("thread", Some(7)));
    assert_eq!(roots.load(Ordering::Relaxed), 2);
}

#[test]
fn a_function_that_fails_leaves_the_runtime_as_it_is() {
    let fails = Arc::new(AtomicBool::new(false));
    let runtime = Builder::new()
        .worker_threads(1)
        .thread_name_fn({
            let fails = Arc::clone(&fails);
            move || {
                assert!(!fails.load(Ordering::Relaxed), "on purpose");
                "thread".to_owned()
            }
        })
        .build()
        .unwrap();
    fails.store(true, Ordering::Relaxed);
    let rejected = runtime.block_on(runtime.spawn_blocking(|| ()));
    let error = rejected.unwrap_err();
    assert!(error.is_rejected());
    assert!(error.to_string().contains("panicked"), "{error}");
    // Without a thread to take the core over, the worker keeps it.
    let in_place = runtime.spawn(async { framewise::task::block_in_place(name_here) });
    assert_eq!(runtime.block_on(in_place).unwrap(), "thread");
    fails.store(false, Ordering::Relaxed);
    let call = runtime.block_on(runtime.spawn_blocking(name_here));
    assert_eq!(call.unwrap(), "thread");

    let built = Builder::new()
        .thread_name_fn(|| panic!("on purpose"))
        .build();
    let error = built.unwrap_err().to_string();
    assert!(error.contains("panicked"), "{error}");
}
