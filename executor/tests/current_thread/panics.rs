//! Panics of the main future and of tasks.

use std::sync::mpsc;

use framewise::context::catch_unwind;
use framewise::runtime::{Builder, Handle};
use framewise::spawn;
use framewise::task::yield_now;
use framewise_test_support::{ID, panic_message};

use crate::runtime;

#[test]
fn a_panic_of_the_main_future_leaves_the_runtime_usable() {
    let runtime = runtime();
    let task = runtime.spawn(async {
        for _ in 0..10 {
            yield_now().await;
        }
        7
    });
    for polls in 0..3 {
        let message = panic_message(|| {
            runtime.block_on(async {
                for _ in 0..polls {
                    yield_now().await;
                }
                panic!("planned")
            })
        });
        assert_eq!(message, "planned");
        assert!(Handle::try_current().is_err());
        assert!(ID.get().is_none());
    }
    assert_eq!(runtime.block_on(task).unwrap(), 7);
    // The thread may drive another runtime.
    assert_eq!(
        crate::runtime().block_on(async { spawn(async { 8 }).await.unwrap() }),
        8
    );
}

/// An outer catch reports the frame in which the panic began.
#[test]
fn c83_a_panic_of_the_main_future_keeps_its_frame() {
    let runtime = runtime();
    let caught = ID.run(1, || {
        catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(ID.scope(2, async {
                yield_now().await;
                panic!("planned")
            }))
        }))
    });
    let Err::<std::convert::Infallible, _>(panic) = caught;
    let frame = panic.frame().clone();
    assert_eq!(frame.run(|| ID.get()), Some(2));
}

#[test]
fn a_panic_of_a_task_goes_to_its_joiner_or_to_the_hook() {
    let (sender, reports) = mpsc::channel();
    let runtime = Builder::new_current_thread()
        .on_unhandled_panic(move |error| {
            sender.send((error.to_string(), ID.get())).unwrap();
        })
        .build()
        .unwrap();
    runtime.block_on(async {
        let joined: Result<(), _> = spawn(async { panic!("joined") }).await;
        assert!(joined.unwrap_err().is_panic());
        drop(ID.run(7, || spawn(async { panic!("detached") })));
        yield_now().await;
    });
    let (message, frame) = reports.recv().unwrap();
    assert!(message.contains("detached"), "{message}");
    assert_eq!(frame, Some(7));
    assert!(reports.try_recv().is_err());
}
