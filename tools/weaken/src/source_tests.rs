//! Tests of the function around a place, of shipped code, and of the primitives behind names.

use super::*;

fn read(text: &str) -> Source {
    Source::read("a.rs", text, "framewise_sync")
}

/// Returns the function around the token with that text, and `true` if it is unshipped.
fn place<'a>(source: &'a Source, text: &str) -> (&'a str, bool) {
    let at = source.tokens.iter().position(|token| token.is(text));
    let at = at.expect("the token exists");
    (source.function(at), source.is_unshipped(at))
}

#[test]
fn functions_are_named_with_their_owner() {
    let source = read(
        "impl<T: Fn() -> u8> crate::Tr<T> for Own<T> where T: Copy { fn f(x: impl Fn()) { if a { b } } }
         trait Has { fn g(&self) { c } fn h(&self); }
         fn free() -> impl Iterator { struct X; impl X { fn i() { d } } e }",
    );
    assert_eq!(place(&source, "b"), ("Own::f", false));
    assert_eq!(place(&source, "c"), ("Has::g", false));
    assert_eq!(place(&source, "d"), ("X::i", false));
    assert_eq!(place(&source, "e"), ("free", false));
}

#[test]
fn code_behind_a_test_cfg_is_not_shipped() {
    let source = read(
        "#[cfg(test)] mod tests { fn f() { a } }
         #[cfg(all(test, unix))] use x::b;
         #[cfg(framewise_loom)] fn g() { c }
         #[cfg(not(test))] fn h() { d }
         #[cfg(test)] mod other; fn i() { e }
         #[cfg(any(framewise_loom, framewise_shuttle))] fn j() { f }
         #[cfg(any(framewise_loom, unix))] fn k() { z }
         #[cfg(all(unix, not(any(framewise_loom, framewise_shuttle))))] fn l() { y }
         #[cfg(not(unix))] fn m() { w }
         #[cfg(not(any(framewise_loom, framewise_shuttle)))] mod elsewhere;",
    );
    for (name, unshipped) in [
        ("a", true),
        ("b", true),
        ("c", true),
        ("d", false),
        ("e", false),
        ("f", true),
        ("z", false),
        ("y", true),
        ("w", false),
    ] {
        assert_eq!(place(&source, name).1, unshipped, "{name}");
    }
    assert_eq!(source.unshipped_modules, ["other"]);
}

#[test]
fn the_imported_ordering_decides_the_atomics() {
    for (import, facades) in [
        ("use framewise_sync::atomic::{AtomicUsize, Ordering};", true),
        (
            "use framewise_sync::{atomic::{AtomicUsize, Ordering}, Mutex};",
            true,
        ),
        (
            "use framewise_sync::statics::{AtomicUsize, Ordering};",
            false,
        ),
        ("use std::sync::atomic::Ordering;", false),
        ("use super::Ordering;", true),
        ("", true),
    ] {
        assert_eq!(read(import).atomics_are_facades, facades, "{import}");
    }
}

#[test]
fn holders_are_found_by_their_types() {
    let source = read(
        "use framewise_sync::{Arc, Mutex, Condvar};
         struct A { one: Mutex<u8>, two: Arc<Mutex<u8>>, three: u8, signal: Condvar }
         struct B(u8, framewise_sync::Mutex<u8>);
         fn f(four: &Mutex<u8>) -> Mutex<u8> { Mutex::new(0) }",
    );
    let mut names: Vec<_> = source.holders.mutexes.iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["1", "four", "one", "two"]);
    assert!(source.holders.condvars.contains("signal"));
    for stds in [
        "use std::sync::Mutex; struct A { one: Mutex<framewise_sync::X> }",
        "use framewise_sync::X; static ONE: std::sync::Mutex<u8> = f();",
    ] {
        assert!(read(stds).holders.mutexes.is_empty(), "{stds}");
    }
}
