//! What runs because the time was moved runs in its own frame.

use std::sync::{Arc, Mutex};

use framewise::time::{advance, set_interval, set_timeout, sleep, timeout};
use framewise_test_support::{ID, in_frames};

use crate::{MS, paused};

#[test]
fn c51_a_task_is_in_its_frame_after_auto_advance_and_advance() {
    in_frames(|outer| {
        paused().block_on(async {
            let task = ID.run(7, || {
                framewise::spawn(async {
                    sleep(MS).await;
                    let after_jump = ID.get();
                    let limited = timeout(MS, ID.scope(8, sleep(2 * MS))).await;
                    assert!(limited.is_err());
                    (after_jump, ID.get())
                })
            });
            let seen = ID.scope(9, async {
                advance(3 * MS).await;
                ID.get()
            });
            assert_eq!(seen.await, Some(9));
            assert_eq!(ID.get(), outer);
            sleep(5 * MS).await;
            assert_eq!(ID.get(), outer);
            assert_eq!(task.await.unwrap(), (Some(7), Some(7)));
        });
    });
}

#[test]
fn c53_callbacks_run_in_their_frame_under_auto_advance_and_advance() {
    in_frames(|outer| {
        paused().block_on(async {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let record = || {
                let seen = Arc::clone(&seen);
                move || seen.lock().unwrap().push(ID.get())
            };
            let ticking = ID.run(7, || set_interval(2 * MS, record()));
            ID.run(8, || set_timeout(3 * MS, record()));
            set_timeout(5 * MS, record());
            sleep(3 * MS).await;
            ID.scope(9, advance(2 * MS)).await;
            let expected = [Some(7), Some(8), Some(7), outer];
            assert_eq!(*seen.lock().unwrap(), expected);
            ticking.cancel();
        });
    });
}
