//! Mutants: combinators with one seeded fault each.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use framewise_conformance::context::{Frame, catch_unwind};
use framewise_conformance::{BoxFuture, Child, Combinator};
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{self, FutureExt};

/// Its waker polls the children inside of `wake`, in the scope of the child that wakes.
pub(crate) struct PollsInWake;

/// The children. A slot is `None` while its child is polled, and when the child is ready.
struct Inline {
    children: Vec<Mutex<Option<Child>>>,
    outer: Mutex<Option<Waker>>,
}

impl Inline {
    /// Polls all children that are not being polled.
    fn poll_all(self: &Arc<Self>) {
        let waker = Waker::from(Arc::clone(self));
        for slot in &self.children {
            let taken = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(mut child) = taken else { continue };
            if child
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
            {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
            }
        }
    }

    fn is_done(&self) -> bool {
        let gone = |slot: &Mutex<Option<Child>>| {
            slot.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_none()
        };
        self.children.iter().all(gone)
    }
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        self.poll_all();
        let outer = self
            .outer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl Combinator for PollsInWake {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        inline(children)
    }
}

/// Like [`PollsInWake`], but only if the number of children is limited.
pub(crate) struct LimitsInWake;

impl Combinator for LimitsInWake {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        join_all(children)
    }

    fn join_all_with_limit(
        &self,
        _limit: usize,
        children: Vec<Child>,
    ) -> Option<BoxFuture<'static, ()>> {
        Some(inline(children))
    }
}

fn inline(children: Vec<Child>) -> BoxFuture<'static, ()> {
    let children = children.into_iter().map(Some).map(Mutex::new).collect();
    let inline = Arc::new(Inline {
        children,
        outer: Mutex::default(),
    });
    Box::pin(poll_fn(move |cx| {
        *inline.outer.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        inline.poll_all();
        if inline.is_done() {
            return Poll::Ready(());
        }
        Poll::Pending
    }))
}

fn join_all(children: Vec<Child>) -> BoxFuture<'static, ()> {
    future::join_all(children).map(drop).boxed()
}

/// Drops losers in the frame in which the race was made.
pub(crate) struct DropsInItsOwn;

impl Combinator for DropsInItsOwn {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        join_all(children)
    }

    fn race(&self, children: Vec<Child>) -> Option<BoxFuture<'static, ()>> {
        let frame = Frame::current();
        Some(Box::pin(async move {
            let ((), _, losers) = future::select_all(children).await;
            frame.run(|| drop(losers));
        }))
    }
}

/// Drops losers on a separate thread, in order not to wait for their destructors.
pub(crate) struct DropsElsewhere;

impl Combinator for DropsElsewhere {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        join_all(children)
    }

    fn race(&self, children: Vec<Child>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(async move {
            let ((), _, losers) = future::select_all(children).await;
            // Joined, so that the test sees what happens.
            thread::spawn(|| drop(losers))
                .join()
                .expect("losers can be dropped");
        }))
    }
}

/// Runs each child on a thread, without its poller's frame.
pub(crate) struct SpawnsThreads;

impl Combinator for SpawnsThreads {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let spawn = |child: Child| {
                let (done, is_done) = oneshot::channel::<()>();
                thread::spawn(move || {
                    block_on(child);
                    drop(done);
                });
                is_done
            };
            let threads: Vec<_> = children.into_iter().map(spawn).collect();
            future::join_all(threads).await;
        })
    }
}

/// Catches a panic of a child, and polls the others in the frame in which the panic began.
pub(crate) struct GoesOnInPanic;

impl Combinator for GoesOnInPanic {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        let mut children: Vec<_> = children.into_iter().map(Some).collect();
        let mut panicked: Option<Frame> = None;
        Box::pin(poll_fn(move |cx| {
            let mut done = true;
            for slot in &mut children {
                let Some(child) = slot else { continue };
                let frame = panicked.clone().unwrap_or_else(Frame::current);
                match catch_unwind(|| frame.run(|| child.as_mut().poll(cx))) {
                    Ok(Poll::Pending) => {
                        done = false;
                        continue;
                    }
                    Ok(Poll::Ready(())) => {}
                    Err(caught) => panicked = Some(caught.frame().clone()),
                }
                *slot = None;
            }
            if done { Poll::Ready(()) } else { Poll::Pending }
        }))
    }
}

/// Polls and drops all children in the frame in which it was made.
pub(crate) struct KeepsItsFrame;

impl Combinator for KeepsItsFrame {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        Box::pin(Frame::current().scope(join_all(children)))
    }
}

/// Captures a frame at the first poll, and keeps it for the others.
pub(crate) struct KeepsFirstPoll;

fn in_first_frame(mut whole: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
    let mut first = None;
    Box::pin(poll_fn(move |cx| {
        let frame = first.get_or_insert_with(Frame::current);
        frame.run(|| Pin::new(&mut whole).poll(cx))
    }))
}

impl Combinator for KeepsFirstPoll {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        in_first_frame(join_all(children))
    }

    fn share(&self, child: Child) -> Option<[BoxFuture<'static, ()>; 2]> {
        let shared = in_first_frame(child).shared();
        Some([shared.clone().boxed(), shared.boxed()])
    }
}

/// Drops children that were not polled in the frame in which it was made.
pub(crate) struct DropsWhereMade;

struct Unpolled {
    children: Option<BoxFuture<'static, ()>>,
    made: Frame,
    is_polled: bool,
}

impl Drop for Unpolled {
    fn drop(&mut self) {
        let children = self.children.take();
        if !self.is_polled {
            self.made.run(|| drop(children));
        }
    }
}

impl Combinator for DropsWhereMade {
    fn join_all(&self, children: Vec<Child>) -> BoxFuture<'static, ()> {
        let mut whole = Unpolled {
            children: Some(join_all(children)),
            made: Frame::current(),
            is_polled: false,
        };
        Box::pin(poll_fn(move |cx| {
            let whole = &mut whole;
            whole.is_polled = true;
            match &mut whole.children {
                Some(children) => children.poll_unpin(cx),
                None => Poll::Ready(()),
            }
        }))
    }
}
