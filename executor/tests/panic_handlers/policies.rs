//! Intervals whose going on depends on the handler's answer.

use std::sync::mpsc::{RecvError, channel};
use std::time::Duration;

use framewise::panics::Handled;
use framewise::time::{PanicPolicy, set_interval_with};
use framewise_test_support::{ID, everywhere};

use super::{Recorder, asked};

#[test]
fn c92_an_interval_goes_on_after_a_handled_panic_and_ends_after_another() {
    everywhere(|runtime, _| {
        let _entered = runtime.enter();
        for (policy, answer, goes_on) in [
            (PanicPolicy::ContinueIfHandled, Handled::Yes, true),
            (PanicPolicy::ContinueIfHandled, Handled::No, false),
            (PanicPolicy::Continue, Handled::No, true),
            (PanicPolicy::Continue, Handled::Yes, true),
            (PanicPolicy::Stop, Handled::Yes, false),
        ] {
            let (recorder, reports) = Recorder::new();
            let (sender, calls) = channel();
            let interval = recorder.handler("handler", answer).run(|| {
                ID.run(10, || {
                    set_interval_with(Duration::from_millis(1), policy, move || {
                        sender.send(ID.get()).unwrap();
                        ID.run(11, || panic!("expected"))
                    })
                })
            });
            drop(recorder);
            for _ in 0..if goes_on { 3 } else { 1 } {
                assert_eq!(calls.recv(), Ok(Some(10)), "{policy:?} {answer:?}");
                assert_eq!(reports.recv(), Ok(asked("handler", 11, "expected")));
            }
            if goes_on {
                assert!(interval.is_active() && interval.cancel());
            } else {
                assert_eq!(calls.recv(), Err(RecvError), "{policy:?} {answer:?}");
                assert!(!interval.is_active() && !interval.cancel());
            }
        }
    });
}
