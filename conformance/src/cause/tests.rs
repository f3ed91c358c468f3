use crate::check_result::Failure;
use crate::item::Item;
use crate::report::{Finding, Outcome, Report};
use crate::start_frame::StartFrame;

const NOT_CARRIED: &str = "no frame is carried: capture it";

/// A finding of a check: `None` is one that held.
fn found(check: &'static str, cause: Option<&str>) -> Finding {
    Finding {
        item: Item::of_name(check),
        check,
        start: StartFrame::Bound,
        outcome: cause.map_or(Outcome::Held, |cause| {
            Outcome::Failed(Failure::new("1", "2", cause))
        }),
    }
}

fn causes(findings: &[Finding]) -> Vec<(String, Vec<u8>, bool)> {
    let report = Report::new("a subject".to_owned(), findings.to_vec());
    let numbers = |items: &[Item]| items.iter().map(|item| item.number()).collect();
    report
        .causes()
        .into_iter()
        .map(|cause| (cause.text, numbers(&cause.items), cause.is_refuted))
        .collect()
}

#[test]
fn a_general_cause_comes_last_where_its_witness_held() {
    let findings = [
        found("c02_check", Some(NOT_CARRIED)),
        found("c03_check", Some(NOT_CARRIED)),
        found("c25_captured_at_spawn", None),
        found("c26_check", Some("narrow")),
    ];
    let expected = [
        ("narrow".to_owned(), vec![26], false),
        (NOT_CARRIED.to_owned(), vec![2, 3], true),
    ];
    assert_eq!(causes(&findings), expected);
}

#[test]
fn a_general_cause_comes_first_where_its_witness_failed_and_it_explains_the_most() {
    let findings = [
        found("c02_check", Some(NOT_CARRIED)),
        found("c03_check", Some(NOT_CARRIED)),
        found("c03_another", Some(NOT_CARRIED)),
        found("c25_captured_at_spawn", Some("no frame is carried at all")),
        found("c26_check", Some("narrow")),
    ];
    let expected = [
        (NOT_CARRIED.to_owned(), vec![2, 3], false),
        ("no frame is carried at all".to_owned(), vec![25], false),
        ("narrow".to_owned(), vec![26], false),
    ];
    assert_eq!(causes(&findings), expected);
}

#[test]
fn a_general_cause_stands_where_its_witness_did_not_run() {
    let findings = [found("c02_check", Some(NOT_CARRIED))];
    assert_eq!(
        causes(&findings),
        [(NOT_CARRIED.to_owned(), vec![2], false)]
    );
}

#[test]
fn a_cause_that_names_another_one_comes_after_one_that_does_not() {
    let hedged = "a thread keeps it; or none is carried (C-25)";
    let findings = [
        found("c29_check", Some(hedged)),
        found("c33_check", Some(hedged)),
        found("c26_check", Some("narrow")),
    ];
    let expected = [
        ("narrow".to_owned(), vec![26], false),
        (hedged.to_owned(), vec![29, 33], false),
    ];
    assert_eq!(causes(&findings), expected);
}
