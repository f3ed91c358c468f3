//! The suites for combinators and for stream adapters: on the combinators and adapters of futures
//! and tokio, and on mutants.

mod combinators {
    pub(crate) mod mutant_streams;
    pub(crate) mod mutants;
    pub(crate) mod sound;
}

use combinators::{mutant_streams, mutants, sound};
use framewise_conformance::{Combinator, ItemState, Report, Suite};

mod futures_join_all {
    use super::sound::JoinAll;
    framewise_conformance::combinator_tests!(JoinAll);
}

mod futures_unordered {
    use super::sound::Unordered;
    framewise_conformance::combinator_tests!(Unordered);
}

mod map {
    use super::sound;
    framewise_conformance::stream_tests!(sound::map);
}

mod buffered {
    use super::sound;
    framewise_conformance::stream_tests!(sound::buffered);
}

mod chunks {
    use super::sound;
    framewise_conformance::stream_tests!(sound::chunks);
}

mod peekable {
    use super::sound;
    framewise_conformance::stream_tests!(sound::peekable);
}

fn failed(report: &Report) -> Vec<u8> {
    let items = report.items(ItemState::Failed);
    items.into_iter().map(|item| item.number()).collect()
}

/// Checks that a combinator fails exactly these items.
fn fails(name: &str, combinator: impl Combinator, items: &[u8]) {
    let report = Suite::combinator(name, combinator).run();
    assert_eq!(failed(&report), items, "{report}");
}

/// Checks that a stream adapter fails exactly these items.
fn stream_fails(name: &str, adapt: mutant_streams::Adapt, items: &[u8]) {
    let report = Suite::stream(name, adapt).run();
    assert_eq!(failed(&report), items, "{report}");
}

/// Checks the report of a fault that breaks most items: the first failed item is C-66, and its
/// cause has these words.
fn names_first(report: &Report, cause: &str) {
    assert_eq!(failed(report).first(), Some(&66), "{report}");
    let (_, failure) = report.failures().next().expect("an item failed");
    assert!(failure.cause.contains(cause), "{report}");
}

/// Its children are tasks, which stay in the frame in which they were spawned.
#[test]
fn tokios_join_set_keeps_the_frame_of_the_first_poll() {
    fails("JoinSet", sound::JoinSet::new(), &[66, 71]);
}

#[test]
fn a_combinator_that_polls_siblings_inside_of_a_childs_wake_is_caught() {
    fails("polls where it is woken", mutants::PollsInWake, &[68, 74]);
}

#[test]
fn a_combinator_that_polls_the_next_inside_of_an_items_wake_is_caught() {
    fails(
        "limits, and polls where it is woken",
        mutants::LimitsInWake,
        &[70],
    );
}

#[test]
fn a_combinator_that_drops_losers_in_the_frame_that_it_was_made_in_is_caught() {
    fails("drops in its own frame", mutants::DropsInItsOwn, &[69]);
}

#[test]
fn a_combinator_that_drops_losers_on_another_thread_is_caught() {
    fails("drops in the background", mutants::DropsElsewhere, &[69]);
}

#[test]
fn a_combinator_that_goes_on_in_the_frame_of_a_panic_is_caught() {
    fails("goes on in a panic's frame", mutants::GoesOnInPanic, &[74]);
}

#[test]
fn a_combinator_that_drops_what_was_not_polled_where_it_was_made_is_caught() {
    fails("drops where it was made", mutants::DropsWhereMade, &[75]);
}

#[test]
fn a_combinator_that_keeps_the_frame_of_its_first_poll_is_caught() {
    fails(
        "keeps the first poll's",
        mutants::KeepsFirstPoll,
        &[66, 71, 73],
    );
}

#[test]
fn a_combinator_that_moves_children_to_threads_without_a_frame_is_caught() {
    let report = Suite::combinator("spawns threads", mutants::SpawnsThreads).run();
    names_first(&report, "children are polled elsewhere");
}

#[test]
fn a_combinator_that_keeps_the_frame_that_it_was_made_in_is_caught() {
    let report = Suite::combinator("keeps its frame", mutants::KeepsItsFrame).run();
    names_first(&report, "a frame is captured and kept");
}

#[test]
fn a_stream_that_polls_on_another_thread_is_caught() {
    let report = Suite::stream("polls elsewhere", mutant_streams::polls_elsewhere).run();
    names_first(&report, "the source is polled elsewhere");
}

#[test]
fn a_stream_that_keeps_the_frame_that_it_was_made_in_is_caught() {
    let report = Suite::stream("keeps its frame", mutant_streams::keeps_its_frame).run();
    names_first(&report, "a frame is captured and kept");
}

#[test]
fn a_stream_that_keeps_the_frame_of_its_first_poll_is_caught() {
    stream_fails(
        "keeps the first poll's",
        mutant_streams::keeps_first_poll,
        &[66, 71],
    );
}

#[test]
fn a_stream_that_goes_on_in_the_frame_of_a_panic_is_caught() {
    stream_fails(
        "goes on in a panic's frame",
        mutant_streams::goes_on_in_panic,
        &[74],
    );
}

#[test]
fn a_stream_that_drops_what_was_not_polled_where_it_was_made_is_caught() {
    stream_fails(
        "drops where it was made",
        mutant_streams::drops_where_made,
        &[75],
    );
}

#[test]
fn a_stream_that_drops_its_source_on_another_thread_is_caught() {
    let report = Suite::stream("drops elsewhere", mutant_streams::drops_elsewhere).run();
    names_first(&report, "the source is polled elsewhere");
}
