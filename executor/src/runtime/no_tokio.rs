//! Nothing: the feature `tokio-compat` is off.

use std::io;
use std::time::Duration;

use super::Builder;

pub(crate) struct TokioCompat;

#[derive(Clone, Copy, Default)]
pub(crate) struct TokioHandle;

pub(crate) struct TokioEntered;

impl TokioCompat {
    pub(crate) fn start(_settings: &Builder) -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn handle(&self) -> TokioHandle {
        TokioHandle
    }

    pub(crate) fn shut_down(&mut self, _limit: Option<Duration>) {}

    pub(crate) fn forget(&mut self) {}
}

impl TokioHandle {
    #[inline]
    pub(crate) fn enter(&self) -> TokioEntered {
        TokioEntered
    }
}
