//! The attribute `preemptible`: the places where it adds scheduling points, and that it changes
//! nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, IntoFuture, Ready, ready};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use framewise::test::{self, Preemptible, preemptible};

/// Is ready at its first poll, so without a scheduling point the awaiting task is never preempted.
async fn at_once() -> u32 {
    1
}

/// Returns for how many of 200 seeds another task runs during one of `body`'s awaits.
fn interruptions<F: Future + Send + 'static>(body: impl Fn() -> F) -> usize {
    let interrupted = |seed| {
        test::run(seed, || {
            let body = body();
            async {
                let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
                let ends = std::sync::Arc::clone(&ended);
                let task = framewise::spawn(async move {
                    body.await;
                    ends.store(true, std::sync::atomic::Ordering::Relaxed);
                });
                // The task was polled once and has not finished, so it was preempted.
                framewise::task::yield_now().await;
                let seen = !ended.load(std::sync::atomic::Ordering::Relaxed);
                drop(task.await);
                seen
            }
        })
    };
    (0..200).filter(|&seed| interrupted(seed)).count()
}

async fn plain() {
    for _ in 0..20 {
        at_once().await;
    }
}

#[preemptible]
async fn marked() {
    for _ in 0..20 {
        at_once().await;
    }
}

#[test]
fn a_marked_function_is_preempted_where_it_awaits() {
    let (plain, marked) = (interruptions(plain), interruptions(marked));
    assert!(marked > plain + 40, "{marked} of 200, {plain} without");
}

/// A future that counts its polls before it is ready.
struct Polls(u32);

impl Future for Polls {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<u32> {
        self.0 += 1;
        Poll::Ready(self.0)
    }
}

struct Query;

impl IntoFuture for Query {
    type Output = &'static str;
    type IntoFuture = Ready<&'static str>;

    fn into_future(self) -> Self::IntoFuture {
        ready("answer")
    }
}

/// A type whose name in a signature contains braces.
struct Braces<const N: usize>;

trait Service {
    fn call(&self, number: u32) -> impl Future<Output = Result<u32, String>> + Send;
}

/// Awaits in all syntactic positions.
#[preemptible]
mod everywhere {
    #![allow(clippy::redundant_closure_call, reason = "an await within one")]

    use super::{Polls, Query, Service, at_once, ready};

    pub(crate) struct Doubler(pub(crate) u32);

    impl Doubler {
        pub(crate) async fn doubled(&mut self) -> u32 {
            #![allow(clippy::needless_return, reason = "an await within one")]
            let own = &mut self.0;
            *own += ready(1).await;
            return *own * 2 * at_once().await;
        }
    }

    impl Service for Doubler {
        async fn call(&self, number: u32) -> Result<u32, String> {
            let checked = async {
                if number == 0 {
                    Err("zero".to_owned())
                } else {
                    Ok(number)
                }
            };
            Ok(checked.await? * self.0)
        }
    }

    pub(crate) mod nested {
        #[allow(unused_braces, reason = "a block that is no body")]
        pub(crate) async fn generic<T, const N: usize>(values: [T; N]) -> Vec<T>
        where
            crate::Braces<{ N }>: Sized,
        {
            let mut all = Vec::new();
            for value in values {
                all.push(super::ready(value).await);
            }
            all
        }
    }

    pub(crate) async fn all() -> u32 {
        // In macro arguments, in match arms, in closures, through references and boxes.
        assert_eq!(Query.await, "answer");
        let text = format!("{} {}", at_once().await, at_once().await);
        assert_eq!(text, "1 1");
        let mut polls = Polls(0);
        assert_eq!((&mut polls).await, 1);
        let mut boxed: std::pin::Pin<Box<dyn Future<Output = u32> + Send>> = Box::pin(at_once());
        let by_reference = &mut boxed;
        let from_match = match by_reference.await {
            1 => at_once().await + 1,
            _ => 0,
        };
        let closure = async |more: u32| at_once().await + more;
        let block = async move { closure(2).await };
        let r#await = 1;
        let struct_literal = Doubler(at_once().await).0 + r#await - 1;
        fn item() -> impl Future<Output = u32> {
            async { at_once().await }
        }
        from_match + block.await + struct_literal + (item)().await
    }
}

/// Functions whose bodies, or parts of them, are macro expansions.
#[preemptible]
mod by_macros {
    use super::ready;

    macro_rules! wait {
        ($future:expr) => {
            $future.await
        };
    }
    pub(crate) use wait;

    pub(crate) async fn expanded() -> u32 {
        wait!(ready(1)) + ready(1).await
    }
}

macro_rules! function {
    ($name:ident $body:block) => {
        #[preemptible]
        async fn $name() -> u32 $body
    };
}

function!(passed_on { ready(3).await });

/// A macro's expansion in other functions has no scheduling points.
async fn elsewhere() -> u32 {
    by_macros::wait!(ready(4))
}

#[test]
fn it_understands_every_place_of_an_await() {
    test::check(|| async {
        assert_eq!(by_macros::expanded().await, 2);
        assert_eq!(passed_on().await, 3);
        assert_eq!(elsewhere().await, 4);
        assert_eq!(everywhere::all().await, 2 + 3 + 1 + 1);
        let mut doubler = everywhere::Doubler(4);
        assert_eq!(doubler.doubled().await, 10);
        assert_eq!(doubler.call(2).await, Ok(10));
        assert_eq!(doubler.call(0).await, Err("zero".to_owned()));
        assert_eq!(everywhere::nested::generic([1, 2]).await, [1, 2]);
    });
}

/// Outside of a run there is no scheduling point: one poll is enough.
#[test]
fn outside_of_runs_nothing_is_added() {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(marked()).poll(&mut cx).is_ready());
    assert!(pin!(everywhere::all()).poll(&mut cx).is_ready());
    assert!(pin!(test::preempt()).poll(&mut cx).is_ready());
    assert!(pin!(Polls(0).preemptible()).poll(&mut cx) == Poll::Ready(1));
    framewise::block_on(marked().preemptible());
}

/// The scheduling point is only before the first poll: the output of a future is never held back,
/// so dropping the awaiting future loses nothing.
#[test]
fn a_point_never_holds_an_output_back() {
    let polls = Mutex::new(std::collections::BTreeSet::new());
    let explored = test::explore(100, || async {
        let mut future = Polls(0);
        let mut before = 0;
        let mut marked = pin!((&mut future).preemptible());
        let output = std::future::poll_fn(|cx| match marked.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => {
                before += 1;
                Poll::Pending
            }
        })
        .await;
        assert_eq!(output, 1, "it was polled once");
        polls.lock().unwrap().insert(before.min(2));
    });
    assert_eq!(explored.failures(), 0, "{explored}");
    assert_eq!(polls.into_inner().unwrap(), [0, 1, 2].into());
}
