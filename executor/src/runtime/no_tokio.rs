//! Nothing: the feature `tokio-compat` is off.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Builder;
use crate::scheduler::spawner::Spawner;

pub(crate) struct TokioCompat;

#[derive(Default)]
pub(crate) struct TokioHandle(());

pub(crate) struct TokioEntered;

impl TokioCompat {
    pub(crate) fn start(_settings: &Builder, _spawner: &Arc<Spawner>) -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn shut_down(&mut self, _limit: Option<Duration>) {}

    pub(crate) fn forget(&mut self) {}
}

impl TokioHandle {
    #[inline]
    pub(crate) fn enter(&self) -> TokioEntered {
        TokioEntered
    }

    #[inline(always)]
    pub(crate) fn is_on(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    #[inline(always)]
    pub(crate) fn poll<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

#[inline(always)]
pub(crate) fn block_in_tokio<R>(f: impl FnOnce() -> R) -> R {
    f()
}

#[inline(always)]
pub(crate) fn with_tokio_budget<R>(f: impl FnOnce() -> R) -> R {
    f()
}
