//! Tests of what counts as a site.

use super::*;

fn list_text(text: &str, reached: &HashSet<Reached>) -> Listed {
    let source = Source::read("a.rs", text, "framewise_sync");
    let mut listed = Listed::default();
    list_source(
        &source,
        &Holders::of_all(std::slice::from_ref(&source)),
        reached,
        &mut listed,
    );
    listed
}

fn described(listed: &Listed) -> Vec<String> {
    let sites = listed.sites.iter();
    sites
        .map(|site| format!("{} {} {}", site.function, site.title(), site.ordering()))
        .collect()
}

#[test]
fn operations_with_orderings() {
    let listed = list_text(
        "use framewise_sync::atomic::{fence, Ordering};
         impl A { fn f(&self) {
             // self.0.load(Ordering::Acquire);
             let x = self.0.load(Ordering::Acquire) + self.1.load(Ordering::Relaxed);
             self.0.swap(other.load(Ordering::SeqCst), atomic::Ordering::AcqRel);
             self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| f(now, Ordering::SeqCst));
             fence(Ordering::SeqCst);
             a.cmp(b) == Ordering::Less;
             map.swap(1, 2);
         } }",
        &HashSet::new(),
    );
    assert_eq!(
        described(&listed),
        [
            "A::f load Acquire",
            "A::f load #2 Relaxed",
            "A::f swap AcqRel",
            "A::f load #3 SeqCst",
            "A::f fetch_update AcqRel, Acquire",
            "A::f fence SeqCst",
        ]
    );
    let columns: Vec<_> = listed.sites.iter().map(|site| site.column).collect();
    assert_eq!(columns[..2], [29, 62]);
}

#[test]
fn locks_and_notifications_by_their_fields() {
    let listed = list_text(
        "use framewise_sync::{Condvar, Mutex};
         struct A { state: Mutex<u8>, signal: Condvar, shared: Shared }
         fn f(a: &A) { a.state.lock(); a.signal.notify_one(); a.shared.notify_one(); a.lock(); }",
        &HashSet::new(),
    );
    assert_eq!(described(&listed), ["f lock -", "f notify_one -"]);
}

#[test]
fn places_that_models_reached_are_sites() {
    let reached = Reached {
        file: "a.rs".to_owned(),
        line: 1,
        column: 14,
        operation: "lock".to_owned(),
        orderings: Vec::new(),
    };
    let listed = list_text("fn f() { a().lock(); }", &HashSet::from([reached]));
    assert_eq!(described(&listed), ["f lock -"]);
}

#[test]
fn std_atomics_are_exempt() {
    let listed = list_text(
        "use std::sync::atomic::Ordering; fn f() { A.load(Ordering::Acquire); }",
        &HashSet::new(),
    );
    assert!(listed.sites.is_empty());
    assert_eq!(listed.exempt["a.rs"], 1);
}

#[test]
fn arguments_apply_to_the_next_operations() {
    let listed = list_text(
        "use framewise_sync::atomic::Ordering;
         fn f() {
             // Survives: AcqRel -> Release, because it is.
             let a = x.fetch_or(1, Ordering::AcqRel);
             // Another comment.
             let b = x.fetch_or(1, Ordering::AcqRel);
             // Survives: Acquire -> Relaxed, because there is none.
             let c = x.fetch_or(1, Ordering::AcqRel);
         }",
        &HashSet::new(),
    );
    let counts: Vec<_> = listed
        .sites
        .iter()
        .map(|site| site.arguments.len())
        .collect();
    assert_eq!(counts, [1, 0, 0]);
    assert_eq!(listed.stray_arguments, ["a.rs:7"]);
}
