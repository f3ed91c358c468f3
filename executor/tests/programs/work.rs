//! The end of a frame's work: what a place sees of it, and the model of what it may see.
//!
//! The statements of a unit that cancel a scope run in order, and no other code cancels it. So the
//! model knows exactly what the unit itself sees. A task that runs beside the unit may see the end
//! of a scope that is cancelled after its spawn, or may not; [`Moment`] tells these apart.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use framewise::cancel::Ended;
use framewise::{cancel, deadline};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The number of operations of a statement that obeys.
pub(crate) const OPERATIONS: usize = 5;

/// The reason for which the work of a frame has ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Reason {
    Deadline,
    /// Cancelled by this statement.
    Cancelled(u32),
    /// Cancelled by a `task::scope`: by a policy, a panic of its body, or its drop.
    TaskScope,
    /// The runtime that watches the deadline was shut down.
    ShutDown,
    /// Another one, which no statement gives.
    Strange,
}

const CANCELLED_BY: &str = "cancelled by statement ";

/// Returns the cause that a statement gives.
pub(crate) fn cause_of(id: u32) -> String {
    format!("{CANCELLED_BY}{id}")
}

impl Reason {
    pub(crate) fn of(ended: &Ended) -> Self {
        if ended.is_deadline() {
            return Self::Deadline;
        }
        let Some(cause) = ended.cause() else {
            let is_shut_down = ended.to_string().ends_with("was shut down");
            return if is_shut_down {
                Self::ShutDown
            } else {
                Self::Strange
            };
        };
        let cause = cause.to_string();
        let id = cause.strip_prefix(CANCELLED_BY).map(str::parse);
        match id {
            Some(Ok(id)) => Self::Cancelled(id),
            None if ended.label() == Some("task::scope") => Self::TaskScope,
            _ => Self::Strange,
        }
    }
}

/// What the current frame says of the end of its work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkSeen {
    /// The hours until the deadline, 0 if it has passed.
    hours: Option<u8>,
    ended: Option<Reason>,
}

impl WorkSeen {
    pub(crate) fn now() -> Self {
        // No run takes half an hour, so the rounding gives the hours of the statement.
        let hours = |left: Duration| (left + HOUR / 2).as_secs() / HOUR.as_secs();
        Self {
            hours: deadline::remaining().map(|left| hours(left) as u8),
            ended: cancel::cause().as_ref().map(Reason::of),
        }
    }

    pub(crate) fn has_ended(self) -> bool {
        self.ended.is_some()
    }

    /// Returns `true` if there is neither a deadline nor an end.
    pub(crate) fn is_none(self) -> bool {
        self.hours.is_none() && self.ended.is_none()
    }
}

impl fmt::Debug for WorkSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hours {
            None => f.write_str("no deadline")?,
            Some(hours) => write!(f, "deadline in {hours} h")?,
        }
        match self.ended {
            None => Ok(()),
            Some(Reason::Cancelled(id)) => write!(f, ", cancelled by #{id}"),
            Some(reason) => write!(f, ", ended by {reason:?}"),
        }
    }
}

/// A scope that a statement can cancel, one for each time that its statement is evaluated.
pub(crate) type Scope = u32;

/// What a unit knows of the scopes at a moment: those that have certainly ended, in this order, and
/// those that may have.
#[derive(Clone, Default)]
pub(crate) struct Moment {
    pub(crate) ended: Vec<(Scope, Reason)>,
    pub(crate) may_have: BTreeSet<(Scope, Reason)>,
    /// The runtime may have been shut down.
    pub(crate) shut_down: bool,
}

impl Moment {
    fn has_ended(&self, scope: Scope) -> Option<Reason> {
        let ended = self.ended.iter().find(|(ended, _)| *ended == scope);
        ended.map(|(_, reason)| *reason)
    }

    /// Records that `scope` is cancelled, unless it has ended already.
    pub(crate) fn cancelled(&mut self, scope: Scope, reason: Reason) {
        if self.has_ended(scope).is_none() {
            self.ended.push((scope, reason));
        }
    }

    /// Returns any moment between this one and `later`.
    pub(crate) fn until(&self, later: &Moment) -> Moment {
        let mut may_have = self.may_have.clone();
        may_have.extend(later.may_have.iter().chain(&later.ended));
        Moment {
            ended: self.ended.clone(),
            may_have,
            shut_down: self.shut_down || later.shut_down,
        }
    }
}

/// What can end the work of a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// A deadline that does not pass, but whose runtime can be shut down.
    Hours,
    Scope(Scope),
}

/// The model of a frame's deadline and scopes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Work {
    hours: Option<u8>,
    sources: Vec<Source>,
    /// The possible reasons, if the work had certainly ended when its innermost deadline or scope
    /// began.
    ended: BTreeSet<Reason>,
}

impl Work {
    /// Returns `true` without a deadline and a scope.
    pub(crate) fn is_none(&self) -> bool {
        self.hours.is_none() && self.sources.is_empty()
    }

    /// Returns the work under a deadline of so many hours. One of 0 hours has passed.
    pub(crate) fn within(&self, hours: u8, now: &Moment) -> Self {
        let mut work = self.below(now);
        work.hours = Some(self.hours.map_or(hours, |around| around.min(hours)));
        work.sources.push(Source::Hours);
        if hours == 0 {
            let around = self.seen_at(now).into_iter();
            let reasons = around.map(|reason| reason.unwrap_or(Reason::Deadline));
            work.ended = reasons.collect();
        }
        work
    }

    /// Returns the work in a scope.
    pub(crate) fn in_scope(&self, scope: Scope, now: &Moment) -> Self {
        let mut work = self.below(now);
        work.sources.push(Source::Scope(scope));
        // The scope's own reason comes before those around it.
        if let Some(reason) = now.has_ended(scope) {
            work.ended = BTreeSet::from([reason]);
        }
        work
    }

    fn below(&self, now: &Moment) -> Self {
        let mut work = self.clone();
        let reasons: Option<BTreeSet<Reason>> = self.seen_at(now).into_iter().collect();
        work.ended = reasons.unwrap_or_default();
        work
    }

    /// Returns the possible reasons at a moment; `None` if the work may not have ended.
    pub(crate) fn seen_at(&self, moment: &Moment) -> BTreeSet<Option<Reason>> {
        if !self.ended.is_empty() {
            return self.ended.iter().copied().map(Some).collect();
        }
        let has = |scope: Scope| self.sources.contains(&Source::Scope(scope));
        // The first reason is the one that counts.
        let first = moment.ended.iter().find(|(scope, _)| has(*scope));
        let mut all = BTreeSet::from([first.map(|(_, reason)| *reason)]);
        let may_have = moment.may_have.iter();
        all.extend(
            may_have
                .filter(|(scope, _)| has(*scope) && moment.has_ended(*scope).is_none())
                .map(|(_, reason)| Some(*reason)),
        );
        if moment.shut_down && self.sources.contains(&Source::Hours) {
            all.insert(Some(Reason::ShutDown));
        }
        all
    }

    /// Returns what may be seen at a moment.
    pub(crate) fn seen(&self, moment: &Moment) -> impl Iterator<Item = WorkSeen> + use<> {
        let hours = self.hours;
        let reasons = self.seen_at(moment).into_iter();
        reasons.map(move |ended| WorkSeen { hours, ended })
    }
}
