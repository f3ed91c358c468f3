//! The model of a frame: its bindings, its deadline and its scopes, as values.

use std::collections::{BTreeMap, BTreeSet};

use crate::variables::{Seen, Var};
use crate::work::{Moment, Work};

/// The model of a frame.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Bindings {
    values: BTreeMap<Var, u64>,
    /// Tasks that are spawned inside inherit nothing.
    without_flow: bool,
    work: Work,
}

impl Bindings {
    pub(crate) fn with(&self, var: Var, value: u64) -> Self {
        let mut more = self.clone();
        more.values.insert(var, value);
        more
    }

    pub(crate) fn without(&self, vars: impl IntoIterator<Item = Var>) -> Self {
        let vars: BTreeSet<Var> = vars.into_iter().collect();
        let mut fewer = self.clone();
        fewer.values.retain(|var, _| !vars.contains(var));
        fewer
    }

    pub(crate) fn is_without_flow(&self) -> bool {
        self.without_flow
    }

    pub(crate) fn without_flow(&self) -> Self {
        Self {
            without_flow: true,
            ..self.clone()
        }
    }

    /// Returns the bindings that a spawned task inherits.
    pub(crate) fn inherited(&self) -> Self {
        if self.without_flow {
            return Self::default();
        }
        let task = |(var, value): (&Var, &u64)| Some((*var, var.inherited(*value)?));
        Self {
            values: self.values.iter().filter_map(task).collect(),
            without_flow: false,
            work: self.work.clone(),
        }
    }

    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    pub(crate) fn with_work(&self, work: Work) -> Self {
        Self {
            work,
            ..self.clone()
        }
    }

    /// Returns the bindings without a deadline and a scope.
    pub(crate) fn shielded(&self) -> Self {
        self.with_work(Work::default())
    }

    /// Returns what may be observed with these bindings at a moment.
    pub(crate) fn seen(&self, moment: &Moment) -> BTreeSet<Seen> {
        let bound = |var: &Var| self.values.get(var).copied();
        let with = |work| Seen {
            values: std::array::from_fn(|index| {
                let var = &Var::ALL[index];
                bound(var).or(var.default())
            }),
            told: [bound(&Var::NUMBER), bound(&Var::SHARED)],
            work,
        };
        self.work.seen(moment).map(with).collect()
    }
}
