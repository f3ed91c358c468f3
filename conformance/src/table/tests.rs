use super::{Table, short};
use crate::check_result::Failure;
use crate::item::Item;
use crate::report::{Finding, Outcome, Report};
use crate::start_frame::StartFrame;

fn report(subject: &str, outcomes: &[(u8, Outcome)]) -> Report {
    let findings = outcomes.iter().map(|(number, outcome)| Finding {
        item: Item::new(*number),
        check: "check",
        start: StartFrame::Bound,
        outcome: outcome.clone(),
    });
    Report::new(subject.to_owned(), findings.collect())
}

fn failed(cause: &str) -> Outcome {
    Outcome::Failed(Failure::new("1", "2", cause))
}

#[test]
fn a_row_for_each_item_and_a_column_for_each_report() {
    let one = report("one", &[(25, Outcome::Held), (31, failed("a cause"))]);
    let missing = Outcome::NotApplicable("no timer".to_owned());
    let two = report(
        "two",
        &[
            (25, failed("a cause")),
            (31, failed("a cause")),
            (51, missing),
        ],
    );
    let table = Table::of(&[one, two]).to_string();
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("| | What the contract says | one | two |")
    );
    assert_eq!(lines.next(), Some("|---|---|---|---|"));
    assert_eq!(
        lines.next(),
        Some(
            "| C-25 | Captured when `spawn` is called, not at the first poll | held | **FAILED** |"
        )
    );
    assert!(table.contains(" | **FAILED** | **FAILED** |\n| C-51 |"));
    assert!(
        table.contains(" |  | – |\n| | **held, of the items that apply** | 1 of 2 | 0 of 2 |\n")
    );
    let (_, two) = table.split_once("## two\n").unwrap();
    assert_eq!(
        two,
        "\n- C-25, C-31: a cause\n- – C-51: not applicable, no timer\n"
    );
}

#[test]
fn without_a_cause_what_was_expected_and_seen_is_shown() {
    let table = Table::of(&[report("one", &[(25, failed(""))])]).to_string();
    assert!(table.ends_with("- C-25: expected 1, seen 2\n"), "{table}");
}

#[test]
fn a_long_text_is_cut_between_words_and_not_within_code() {
    assert_eq!(short("Short."), "Short");
    let long = "123456789 ".repeat(6) + "`a b`, and more";
    assert_eq!(short(&long), "123456789 ".repeat(6) + "…");
    assert_eq!(short("a | b"), "a \\| b");
}
