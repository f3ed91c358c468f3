//! Every decision of a seeded run.
//!
//! Owns the random numbers and the digest of the decisions. It must not know what the candidates
//! are: only their number and their priorities.
//!
//! # How a run is shaped
//!
//! Some orderings are found by switching often, others only when one task makes no progress for
//! long. So the seed first decides what kind of run it is. *Uniform* runs choose evenly among
//! everything that can run. *Priority* runs give each task a random priority, run the highest, and
//! lower it to the lowest when it is preempted or yields: the idea of Burckhardt et al., "A
//! Randomized Scheduler with Probabilistic Guarantees of Finding Bugs" (ASPLOS 2010). One choice in
//! sixteen is even nevertheless, so that every task makes progress. How often a task is preempted
//! at a point varies from run to run, too.

#[cfg(test)]
mod tests;

/// One choice in this many is made evenly in a priority run.
const EVEN_ONE_IN: usize = 16;

/// A task is preempted at one point in this many; the seed chooses among these.
const PREEMPT_ONE_IN: [usize; 6] = [2, 2, 4, 8, 16, 32];

/// The decisions of one run.
pub(super) struct Chooser {
    state: u64,
    digest: u64,
    by_priority: bool,
    preempt_one_in: usize,
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves about half
/// of the output's.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Chooser {
    pub(super) fn new(seed: u64) -> Self {
        let mut chooser = Self {
            state: mix(seed ^ 0x6672_616D_6577_6973),
            digest: 0,
            by_priority: false,
            preempt_one_in: 2,
        };
        chooser.by_priority = chooser.below(2) == 1;
        chooser.preempt_one_in = PREEMPT_ONE_IN[chooser.below(PREEMPT_ONE_IN.len())];
        chooser
    }

    /// Returns the next number of SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// Returns a number below `limit`, which is not zero. The bias is below 2⁻³² for any `limit`
    /// here.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let chosen = ((u128::from(self.next()) * limit as u128) >> 64) as usize;
        self.note((limit as u64) << 32 ^ chosen as u64);
        chosen
    }

    /// Returns a priority for a new candidate.
    pub(super) fn priority(&mut self) -> i64 {
        (self.next() >> 32) as i64
    }

    /// Returns `true` if a task is preempted at the point that it has reached.
    pub(super) fn preempts(&mut self) -> bool {
        self.below(self.preempt_one_in) == 0
    }

    /// Returns the index of the candidate that runs next. There is at least one.
    pub(super) fn next_of(&mut self, priorities: impl ExactSizeIterator<Item = i64>) -> usize {
        let len = priorities.len();
        if !self.by_priority || self.below(EVEN_ONE_IN) == 0 {
            return self.below(len);
        }
        let highest = priorities.enumerate().max_by_key(|&(_, priority)| priority);
        highest.map_or(0, |(index, _)| index)
    }

    /// Adds an event to the digest.
    pub(super) fn note(&mut self, what: u64) {
        self.digest = mix(self.digest.rotate_left(5) ^ what);
    }

    /// Returns the digest of the decisions so far.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }
}
