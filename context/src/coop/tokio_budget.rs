//! tokio's own budget of this thread (feature `tokio`).
//!
//! tokio's channels, locks and `select!` count in it, wherever they are polled, and tokio lets
//! others spend it and suspend it, but not share it. So what this module's parent exempts is exempt
//! from both, and what takes a unit of ours takes one of tokio's. tokio's budget never denies an
//! operation of ours: that would undo the limit of consecutive denials, on which nested executors
//! rely.

#[cfg(feature = "tokio")]
mod with_tokio {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::task::coop;

    /// Takes a unit of tokio's budget, if one is left.
    #[inline]
    pub(in crate::coop) fn spend() {
        // The check keeps tokio from putting the waker into its list of deferred ones.
        if coop::has_budget_remaining()
            && let Poll::Ready(unit) = coop::poll_proceed(&mut Context::from_waker(Waker::noop()))
        {
            unit.made_progress();
        }
    }

    /// Returns `true` if tokio's budget has a unit, or the thread has no such budget.
    #[inline]
    pub(in crate::coop) fn has_remaining() -> bool {
        coop::has_budget_remaining()
    }

    /// Polls with `poll`, exempt from tokio's budget.
    #[inline]
    pub(in crate::coop) fn poll_unconstrained<R>(
        cx: &mut Context<'_>,
        poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        pin!(coop::unconstrained(poll_fn(poll))).poll(cx)
    }
}

#[cfg(not(feature = "tokio"))]
mod without_tokio {
    use std::task::{Context, Poll};

    #[inline(always)]
    pub(in crate::coop) fn spend() {}

    #[inline(always)]
    pub(in crate::coop) fn has_remaining() -> bool {
        true
    }

    #[inline(always)]
    pub(in crate::coop) fn poll_unconstrained<R>(
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        poll(cx)
    }
}

#[cfg(feature = "tokio")]
pub(super) use with_tokio::*;
#[cfg(not(feature = "tokio"))]
pub(super) use without_tokio::*;
