//! The distribution of the choices over many seeds.

use std::collections::BTreeSet;

use super::{Chooser, EVEN_ONE_IN, PREEMPT_ONE_IN};

/// Counts how often each of four candidates with rising priorities is chosen in a thousand steps
/// under `seed`.
fn counts(seed: u64) -> (bool, [usize; 4]) {
    let mut chooser = Chooser::new(seed);
    let mut counts = [0; 4];
    for _ in 0..1000 {
        counts[chooser.next_of([1, 2, 3, 4].into_iter())] += 1;
    }
    (chooser.by_priority, counts)
}

#[test]
fn both_kinds_of_runs_occur_and_choose_as_they_should() {
    let mut kinds = BTreeSet::new();
    for seed in 0..100 {
        let (by_priority, counts) = counts(seed);
        kinds.insert(by_priority);
        if by_priority {
            let even = 1000 / EVEN_ONE_IN;
            assert!(counts[3] > 1000 - 2 * even, "seed {seed}: {counts:?}");
            assert!(
                counts.iter().all(|&count| count > 0),
                "every candidate makes progress"
            );
        } else {
            let all = counts.iter().all(|count| (180..320).contains(count));
            assert!(all, "seed {seed}: {counts:?}");
        }
    }
    assert_eq!(kinds.len(), 2);
}

#[test]
fn every_rate_of_preemption_occurs_and_holds() {
    let mut rates = BTreeSet::new();
    for seed in 0..100 {
        let mut chooser = Chooser::new(seed);
        rates.insert(chooser.preempt_one_in);
        let preempted = (0..10_000).filter(|_| chooser.preempts()).count();
        let expected = 10_000 / chooser.preempt_one_in;
        assert!(
            preempted.abs_diff(expected) < expected / 2,
            "seed {seed}: {preempted} instead of {expected}"
        );
    }
    assert_eq!(rates, BTreeSet::from(PREEMPT_ONE_IN));
}

#[test]
fn the_digest_tells_decisions_apart_and_only_them() {
    let digest = |seed, steps| {
        let mut chooser = Chooser::new(seed);
        for _ in 0..steps {
            let _ = chooser.below(3);
        }
        chooser.digest()
    };
    assert_eq!(digest(1, 20), digest(1, 20));
    let others: BTreeSet<u64> = (0..1000).map(|seed| digest(seed, 20)).collect();
    assert_eq!(others.len(), 1000, "seeds");
    let longer: BTreeSet<u64> = (0..100).map(|steps| digest(1, steps)).collect();
    assert_eq!(longer.len(), 100, "steps");
}
