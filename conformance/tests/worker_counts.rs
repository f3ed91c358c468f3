//! framewise on one, two and eight workers: every item of the suite, in each start frame.

#[path = "support/framewise.rs"]
mod support;

use framewise_conformance::{Item, LAST_ITEM, Outcome, StartFrame, Suite};
use support::Framewise;

fn every_item_holds_in_every_start_frame(workers: usize) {
    let subject = format!("framewise on {workers}");
    let report = Suite::executor(subject.as_str(), move || Framewise::new(workers)).run();
    println!("{report}");
    let all =
        format!("{subject}: {LAST_ITEM} of {LAST_ITEM} items held, 0 failed, 0 not applicable");
    assert_eq!(
        report.to_string().lines().next(),
        Some(all.as_str()),
        "{report}"
    );
    for item in Item::all() {
        for start in StartFrame::ALL {
            let mut from_this_frame = report.of(item).filter(|found| found.start == start);
            let held = from_this_frame.any(|found| found.outcome == Outcome::Held);
            assert!(
                held,
                "no check of {item} applies in the start frame {start:?}:\n{report}"
            );
        }
    }
}

#[test]
fn one_worker() {
    every_item_holds_in_every_start_frame(1);
}

#[test]
fn two_workers() {
    every_item_holds_in_every_start_frame(2);
}

#[test]
fn eight_workers() {
    every_item_holds_in_every_start_frame(8);
}
