//! `ControlScope`: a future under a control that is made when it is first polled.
//!
//! The control of the frame around is known only then: futures are lazy (C-66, C-67).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{CONTROL, Controlled};
use crate::bind::{Bound, bind};
use crate::frame_stats::BindLocation;
use crate::scope::Scope;

/// Makes the control of a scope, in the frame in which the scope is first polled.
pub trait ControlPlan {
    /// Makes the value to bind.
    fn make(self) -> Controlled;
}

/// A control that exists already, or an empty one.
impl ControlPlan for Controlled {
    fn make(self) -> Controlled {
        self
    }
}

pin_project! {
    /// A future under a control that a [`ControlPlan`] makes at the first poll.
    #[must_use = "futures do nothing unless polled"]
    pub struct ControlScope<F, P> {
        #[pin]
        state: ScopeState<F, P>,
        bind_location: BindLocation,
    }
}

pin_project! {
    #[project = StateProjection]
    #[project_replace = StateReplaced]
    enum ScopeState<F, P> {
        // Not pinned yet, so that it can be moved below.
        Unstarted { future: F, plan: P },
        Started { #[pin] scope: Scope<F, Bound<Controlled>> },
        // The plan panicked.
        Gone,
    }
}

impl<F: Future, P: ControlPlan> ControlScope<F, P> {
    /// Wraps a future.
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn new(future: F, plan: P) -> Self {
        Self {
            state: ScopeState::Unstarted { future, plan },
            bind_location: BindLocation::here(),
        }
    }

    /// Returns the plan of a scope that was not polled yet.
    pub fn plan_mut(&mut self) -> Option<&mut P> {
        match &mut self.state {
            ScopeState::Unstarted { plan, .. } => Some(plan),
            _ => None,
        }
    }

    #[cold]
    fn start(mut state: Pin<&mut ScopeState<F, P>>, bind_location: BindLocation) {
        match state.as_mut().project_replace(ScopeState::Gone) {
            StateReplaced::Unstarted { future, plan } => {
                let scope = Scope::new(bind(&CONTROL, plan.make()).list, future, bind_location);
                state.set(ScopeState::Started { scope });
            }
            _ => panic!("a scope whose control could not be made cannot be used"),
        }
    }
}

impl<F: Future, P: ControlPlan> Future for ControlScope<F, P> {
    type Output = F::Output;

    // A panic of the plan is reported at the `.await`.
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if !matches!(*this.state, ScopeState::Started { .. }) {
            Self::start(this.state.as_mut(), *this.bind_location);
        }
        match this.state.project() {
            StateProjection::Started { scope } => scope.poll(cx),
            _ => unreachable!("the scope has just been started"),
        }
    }
}

impl<F: fmt::Debug, P> fmt::Debug for ControlScope<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlScope").finish_non_exhaustive()
    }
}
