//! The call in flight: how the task begins one and waits for it.
//!
//! A file has at most one, which its next operation waits for. Calls of futures that were dropped
//! may be under way beside it; an operation that finds the state locked by one waits in line behind
//! them.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use framewise_context::control::{self, Ended};
use framewise_context::coop;

use super::File;
use super::state::{State, WriteCall};
use crate::blocking::call::{Caller, call_error, poll_call};
use crate::task::JoinHandle;

/// A call that a thread of the pool makes, or is about to.
pub(super) struct Flight {
    kind: Kind,
    call: JoinHandle<io::Result<u64>>,
}

impl Flight {
    /// Returns `true` if the call is not over.
    pub(super) fn is_under_way(&self) -> bool {
        !self.call.is_finished()
    }
}

/// A call that is over.
type Landed = (Kind, io::Result<u64>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    /// Its error waits in the state.
    Write,
    Seek(SeekFrom),
    /// Waits for calls that are in flight because their futures were dropped.
    Turn,
}

impl File {
    /// Waits for the call in flight, if there is one. Returns its kind and result. Fails if the
    /// frame's work has ended, and leaves the call then.
    fn poll_flight(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Landed>, Ended>> {
        ready!(control::poll_check(cx))?;
        let Some(flight) = &mut self.flight else {
            return Poll::Ready(Ok(None));
        };
        let result = ready!(poll_call(&mut flight.call, cx))?;
        let kind = flight.kind;
        self.flight = None;
        let result = result.map_err(call_error).and_then(|result| result);
        if let (Kind::Seek(_), Ok(position)) = (kind, &result) {
            self.position = *position;
        }
        Poll::Ready(Ok(Some((kind, result))))
    }

    /// Begins a call. None may be in flight.
    fn begin(
        &mut self,
        kind: Kind,
        operation: impl FnOnce(&mut State) -> io::Result<u64> + Send + 'static,
    ) -> io::Result<()> {
        let core = Arc::clone(&self.core);
        let call = Caller::current()?.spawn(move || operation(&mut core.lock()));
        self.flight = Some(Flight { kind, call });
        Ok(())
    }

    /// Waits in line behind calls whose futures were dropped.
    fn take_turn(&mut self) -> io::Result<()> {
        self.begin(Kind::Turn, |state| {
            state.finish();
            Ok(0)
        })
    }

    /// Reads at most `want` bytes, and passes them to `take`.
    pub(super) fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        want: usize,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        loop {
            let landed = ready!(self.poll_flight(cx))?;
            let is_end = match landed {
                Some((Kind::Read | Kind::Turn, Err(error))) => return Poll::Ready(Err(error)),
                Some((Kind::Read, Ok(count))) => count == 0,
                _ => false,
            };
            if want == 0 {
                ready!(coop::poll_spend(cx));
            }
            if want == 0 || is_end {
                return Poll::Ready(Ok(0));
            }
            let core = Arc::clone(&self.core);
            let Some(mut state) = core.try_lock() else {
                self.take_turn()?;
                continue;
            };
            let unread = state.unread();
            if !unread.is_empty() {
                ready!(coop::poll_spend(cx));
                let count = unread.len().min(want);
                take(&unread[..count]);
                state.take_read(count);
                return Poll::Ready(Ok(count));
            }
            drop(state);
            let limit = want.min(self.max_buf_size);
            self.begin(Kind::Read, move |state| state.read(limit))?;
        }
    }

    /// Has the bytes of several pieces written, up to the limit.
    pub(super) fn poll_write_pieces<'b, I: Iterator<Item = &'b [u8]>>(
        &mut self,
        cx: &mut Context<'_>,
        pieces: impl Fn() -> I,
    ) -> Poll<io::Result<usize>> {
        loop {
            let landed = ready!(self.poll_flight(cx))?;
            if let Some((Kind::Write | Kind::Turn, Err(error))) = landed {
                return Poll::Ready(Err(error));
            }
            let core = Arc::clone(&self.core);
            let Some(mut state) = core.try_lock() else {
                self.take_turn()?;
                continue;
            };
            ready!(coop::poll_spend(cx));
            if let Some(error) = state.take_write_error() {
                return Poll::Ready(Err(error));
            }
            if pieces().all(<[u8]>::is_empty) {
                return Poll::Ready(Ok(0));
            }
            let caller = Caller::current()?;
            let count = state.begin_write(pieces(), self.max_buf_size);
            // Under the lock, so that a call that is rejected does not write.
            let write = WriteCall(Arc::clone(&core));
            let mut call = caller.spawn(move || {
                write.run();
                Ok(0)
            });
            if call.is_finished() {
                state.cancel();
                let rejected = ready!(Pin::new(&mut call).poll(cx));
                return Poll::Ready(
                    rejected
                        .map_err(call_error)
                        .and_then(|result| result)
                        .map(|_| 0),
                );
            }
            drop(state);
            self.flight = Some(Flight {
                kind: Kind::Write,
                call,
            });
            return Poll::Ready(Ok(count));
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let landed = ready!(self.poll_flight(cx))?;
            if let Some((Kind::Write | Kind::Turn, Err(error))) = landed {
                return Poll::Ready(Err(error));
            }
            if let Some(mut state) = self.core.try_lock() {
                ready!(coop::poll_spend(cx));
                return Poll::Ready(state.take_write_error().map_or(Ok(()), Err));
            }
            self.take_turn()?;
        }
    }

    /// Begins to move the position. No call may be in flight.
    pub(super) fn start_seek(&mut self, to: SeekFrom) -> io::Result<()> {
        if self.flight.is_some() {
            return Err(io::Error::other(
                "an operation of this file is in flight: wait for it before the seek begins",
            ));
        }
        self.begin(Kind::Seek(to), move |state| state.seek(to))
    }

    /// Waits until no call is in flight. Returns the position that the last seek has returned, or
    /// that seek's error.
    pub(super) fn poll_land(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let Some((Kind::Seek(_), result)) = ready!(self.poll_flight(cx))? {
            return Poll::Ready(result);
        }
        ready!(coop::poll_spend(cx));
        Poll::Ready(Ok(self.position))
    }

    /// Moves the position. A call in flight that moves it there is this one's.
    #[cfg(feature = "futures-io")]
    pub(super) fn poll_seek(
        &mut self,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            match ready!(self.poll_flight(cx))? {
                Some((Kind::Seek(sought), result)) if sought == to => return Poll::Ready(result),
                _ => self.start_seek(to)?,
            }
        }
    }
}
