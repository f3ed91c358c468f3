//! framewise on one, two and eight workers: every check of the suite applies and holds, in each
//! start frame.

#[path = "support/framewise.rs"]
mod support;

use framewise_conformance::{Item, Outcome, Suite};
use support::Framewise;

fn every_check_holds(workers: usize) {
    let subject = format!("framewise on {workers}");
    let report = Suite::executor(subject.as_str(), move || Framewise::new(workers)).run();
    println!("{report}");
    let known = Item::all().count();
    let all = format!("{subject}: {known} of {known} items held, 0 failed, 0 not applicable");
    assert_eq!(
        report.to_string().lines().next(),
        Some(all.as_str()),
        "{report}"
    );
    for found in report.findings() {
        let need_two = [
            "c29_a_task_forced_to_another_thread_keeps_its_frame",
            "c93_a_thread_local_follows_on_all_threads",
        ];
        let applies = workers > 1 || !need_two.contains(&found.check);
        assert!(!applies || found.outcome == Outcome::Held, "{found:#?}");
    }
}

#[test]
fn one_worker() {
    every_check_holds(1);
}

#[test]
fn two_workers() {
    every_check_holds(2);
}

#[test]
fn eight_workers() {
    every_check_holds(8);
}
