//! `Instant`: its arithmetic, and that it is `std`'s.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::panic::catch_unwind;
use std::time::Duration;

use framewise_timers::Instant;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn it_converts_to_and_from_std_without_loss() {
    let std = std::time::Instant::now();
    let instant = Instant::from_std(std);
    assert_eq!(instant.into_std(), std);
    assert_eq!(Instant::from(std), instant);
    assert_eq!(std::time::Instant::from(instant), std);
    assert_eq!(format!("{instant:?}"), format!("{std:?}"));
}

#[test]
fn outside_of_a_runtime_it_reads_the_system() {
    let before = std::time::Instant::now();
    let now = Instant::now().into_std();
    assert!(before <= now && now <= std::time::Instant::now());
}

#[test]
fn sums_and_differences_agree() {
    let start = Instant::now();
    let mut later = start + SECOND;
    assert_eq!(later - start, SECOND);
    assert_eq!(later - SECOND, start);
    later += SECOND;
    assert_eq!(later.duration_since(start), 2 * SECOND);
    later -= SECOND;
    assert_eq!(later.saturating_duration_since(start), SECOND);
    assert_eq!(start.checked_add(SECOND), Some(later));
    assert_eq!(later.checked_sub(SECOND), Some(start));
    assert_eq!(later.checked_duration_since(start), Some(SECOND));
    assert!(start < later && later.max(start) == later);
    assert_eq!(HashSet::from([start, later, start]).len(), 2);
}

#[test]
fn a_negative_difference_is_zero() {
    let start = Instant::now();
    let later = start + SECOND;
    assert_eq!(start - later, Duration::ZERO);
    assert_eq!(start.duration_since(later), Duration::ZERO);
    assert_eq!(start.saturating_duration_since(later), Duration::ZERO);
    assert_eq!(start.checked_duration_since(later), None);
}

#[test]
fn what_cannot_be_represented_is_none_or_a_panic() {
    let now = Instant::now();
    assert_eq!(now.checked_add(Duration::MAX), None);
    assert_eq!(now.checked_sub(Duration::MAX), None);
    assert!(catch_unwind(|| now + Duration::MAX).is_err());
    assert!(catch_unwind(|| now - Duration::MAX).is_err());
}
