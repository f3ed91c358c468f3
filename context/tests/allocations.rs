//! Allocations and live memory: C-1, C-19, C-22, C-77 and C-79.
//!
//! Counted per thread, so that the tests can run in parallel.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use framewise_context::{ContextVar, Frame, FramedWaker, bind};
use support::{
    CountingAllocator, Drops, Site, Tracked, allocations, bound_here, growth, in_each_start_frame,
    on_drop, panics,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

static NUMBER: ContextVar<u64> = ContextVar::new("number");
static BIG: ContextVar<[u64; 32]> = ContextVar::new("big");
static TEXT: ContextVar<String> = ContextVar::new("text");
static SHARED: ContextVar<Arc<u64>> = ContextVar::new("shared");
static TRACKED: ContextVar<Tracked> = ContextVar::new("tracked");

/// Assigns every variable its key, which happens once per process and grows a list of names.
fn warm_up() {
    bind(&NUMBER, 0)
        .and(&BIG, [0; 32])
        .and(&TEXT, String::new())
        .and(&SHARED, Arc::new(0))
        .and(&TRACKED, Drops::default().tracked())
        .run(|| ());
}

#[test]
fn c01_reading_allocates_nothing() {
    in_each_start_frame(|| {
        warm_up();
        let read = || {
            assert_eq!(NUMBER.get(), None);
            assert!(!TEXT.is_bound());
            BIG.with(|big| assert!(big.is_none()));
        };
        assert_eq!(allocations(read).0, 0, "at the root");
        bind(&SHARED, Arc::new(5)).run(|| {
            assert_eq!(allocations(read).0, 0, "unbound in a frame");
            assert_eq!(allocations(|| SHARED.get()).0, 0);
            assert_eq!(
                allocations(|| SHARED.with(|shared| **shared.unwrap())),
                (0, 5)
            );
        });
    });
}

#[test]
fn c22_snapshots_allocate_nothing() {
    in_each_start_frame(|| {
        warm_up();
        let take = || {
            let frame = Frame::current();
            drop((
                frame.clone(),
                frame.inherited(),
                FramedWaker::new(Waker::noop()),
            ));
            frame.run(|| ());
            frame
        };
        assert_eq!(allocations(|| drop(take())).0, 0, "of the root");
        TEXT.run("x".into(), || {
            assert_eq!(allocations(|| drop(take())).0, 0, "of another")
        });
        let (count, value) =
            allocations(|| pin!(take().scope(async { NUMBER.get() })).poll(&mut cx()));
        assert_eq!((count, value), (0, Poll::Ready(None)));
    });
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn a_bind_is_exactly_one_allocation() {
    warm_up();
    let drops = Drops::default();
    let text = String::from("x");
    let shared = Arc::new(1);
    // At the root, and on top of a frame with values of every kind.
    let each = |drops: &Drops, text: String, shared: Arc<u64>| {
        assert_eq!(allocations(|| NUMBER.run(1, || ())).0, 1, "inline");
        assert_eq!(allocations(|| BIG.run([1; 32], || ())).0, 1, "large");
        assert_eq!(
            allocations(|| TEXT.run(text, || ())).0,
            1,
            "with a destructor"
        );
        let value = drops.tracked();
        assert_eq!(allocations(|| TRACKED.run(value, || ())).0, 1);
        let list = bind(&NUMBER, 1).and(&BIG, [2; 32]).and(&SHARED, shared);
        assert_eq!(allocations(|| list.run(|| ())).0, 1, "three at once");
    };
    each(&drops, text.clone(), Arc::clone(&shared));
    bind(&NUMBER, 1)
        .and(&TEXT, text.clone())
        .and(&TRACKED, drops.tracked())
        .run(|| {
            each(&drops, text.clone(), Arc::clone(&shared));
        });
    // The frame of a scope is derived at its first poll, and when the poller's frame has changed.
    let (count, ()) = allocations(|| {
        let mut scope = pin!(
            bind(&BIG, [3; 32])
                .and(&NUMBER, 1)
                .scope(std::future::pending::<()>())
        );
        let _ = (
            scope.as_mut().poll(&mut cx()),
            scope.as_mut().poll(&mut cx()),
        );
    });
    assert_eq!(count, 1);
    let mut scope = pin!(BIG.scope([3; 32], std::future::pending::<()>()));
    let _ = scope.as_mut().poll(&mut cx());
    NUMBER.run(1, || {
        assert_eq!(allocations(|| scope.as_mut().poll(&mut cx())).0, 1);
        assert_eq!(allocations(|| scope.as_mut().poll(&mut cx())).0, 0);
    });
}

#[test]
fn a_bind_among_a_thousand_variables_is_exactly_one_allocation() {
    let vars: Vec<&'static ContextVar<u64>> = (0..1_000)
        .map(|_| &*Box::leak(Box::new(ContextVar::new("one of many"))))
        .collect();
    let mut frame = Frame::root();
    for var in &vars {
        frame = frame.run(|| var.run(1, Frame::current));
    }
    frame.run(|| {
        for var in &vars {
            assert_eq!(allocations(|| var.run(2, || ())).0, 1);
        }
        let list = bind(vars[10], 1).and(vars[500], 2).and(vars[999], 3);
        assert_eq!(allocations(|| list.run(|| ())).0, 1);
        // A table of 64 slots and the first 64, but not a thousand.
        let bytes = growth(|| std::mem::forget(bind(vars[999], 2).frame()));
        assert!(bytes < 2_000, "{bytes}");
    });
}

#[test]
fn c19_all_memory_is_freed_with_the_last_holder() {
    in_each_start_frame(|| {
        warm_up();
        let grown = growth(|| {
            let frame = bind(&TEXT, "x".repeat(100))
                .and(&BIG, [1; 32])
                .and(&NUMBER, 1)
                .frame();
            let child = frame.run(|| SHARED.run(Arc::new(1), Frame::current));
            drop(frame);
            let grandchild =
                child.run(|| TEXT.run("y".into(), || BIG.run([2; 32], Frame::current)));
            drop(child);
            drop(grandchild);
            drop(TEXT.scope("z".into(), std::future::pending::<()>()));
        });
        assert_eq!(grown, 0);
    });
}

#[test]
fn c77_memory_is_freed_even_if_a_drop_panics() {
    in_each_start_frame(|| {
        static BOMB: ContextVar<support::DropCall> = ContextVar::new("bomb");
        warm_up();
        // Bypasses the panic hook, which prints and allocates.
        let bomb = || on_drop(|| std::panic::resume_unwind(Box::new("expected")));
        assert!(panics(|| BOMB.run(bomb(), || ())));
        let grown = growth(|| {
            assert!(panics(|| {
                bind(&TEXT, "x".into())
                    .and(&BOMB, bomb())
                    .and(&SHARED, Arc::new(1))
                    .run(|| ());
            }));
        });
        assert_eq!(grown, 0);
    });
}

#[test]
fn c79_a_million_rebindings_each_in_the_last_ones_frame_keep_memory_flat() {
    in_each_start_frame(|| {
        warm_up();
        let drops = Drops::default();
        let mut frame = bind(&TEXT, "kept".into())
            .and(&TRACKED, drops.tracked())
            .frame();
        let mut step = |index: u64| {
            let bindings = bind(&NUMBER, index).and(&TRACKED, drops.tracked());
            let (next, site) = frame.run(|| bound_here(bindings));
            frame = next;
            assert_eq!(frame.run(|| NUMBER.get()), Some(index));
            if index.is_multiple_of(100_000) {
                site.assert_live(1);
            }
        };
        (0..1_000).for_each(&mut step);
        assert_eq!(growth(|| (1_000..1_000_000).for_each(&mut step)), 0);
        assert_eq!(drops.count(), 1_000_000);
        assert_eq!(frame.run(|| TEXT.get()).as_deref(), Some("kept"));
    });
}

#[test]
fn c79_a_chain_of_tasks_that_each_rebind_and_start_the_next_keeps_memory_flat() {
    in_each_start_frame(|| {
        warm_up();
        let drops = Drops::default();
        // A trivial executor: a task is a future in a frame, and the task that it starts.
        let mut task = (Frame::current(), 0u64);
        let site = Site {
            file: file!(),
            line: line!() + 8,
        };
        let mut step = |()| {
            let (frame, index) = std::mem::take(&mut task);
            let next = frame.scope(async {
                assert_eq!(NUMBER.get(), index.checked_sub(1));
                let bindings = bind(&NUMBER, index).and(&TRACKED, drops.tracked());
                let next = async { (Frame::current().inherited(), index + 1) };
                bindings.scope(next).await
            });
            let Poll::Ready(next) = pin!(next).poll(&mut cx()) else {
                unreachable!("never waits")
            };
            task = next;
            if index.is_multiple_of(10_000) {
                site.assert_live(1);
            }
        };
        (0..1_000).for_each(|_| step(()));
        assert_eq!(growth(|| (0..100_000).for_each(|_| step(()))), 0);
        assert_eq!(
            drops.count(),
            101_000 - 1,
            "all except the value that the next task would see"
        );
    });
}

/// Neither layer boxes anything: the only allocation is the frame, if the layer binds one.
#[cfg(feature = "tower")]
#[test]
fn c89_a_layer_allocates_nothing_but_the_frame_that_it_binds() {
    use framewise_context::tower::{ClientFrameLayer, FrameLayer};
    use std::convert::Infallible;
    use tower::{Layer, Service, service_fn};

    type Empty = http_body_util::Empty<bytes::Bytes>;

    fn reply<A>(
        _: http::Request<A>,
    ) -> std::future::Ready<Result<http::Response<Empty>, Infallible>> {
        std::future::ready(Ok(http::Response::new(Empty::new())))
    }

    fn count<S>(mut service: S) -> usize
    where
        S: Service<http::Request<Empty>, Error = Infallible>,
    {
        let exchange = || {
            let call = pin!(service.call(http::Request::new(Empty::new())));
            let Poll::Ready(Ok(response)) = call.poll(&mut cx()) else {
                panic!("the service replies at once");
            };
            drop(response);
        };
        allocations(exchange).0
    }

    in_each_start_frame(|| {
        warm_up();
        assert_eq!(count(service_fn(reply::<Empty>)), 0, "no layer");
        assert_eq!(
            count(FrameLayer::new().layer(service_fn(reply::<Empty>))),
            0
        );
        let bindings = |_: &http::request::Parts| bind(&NUMBER, 1).and(&TEXT, String::new());
        let binding = FrameLayer::bind(bindings).layer(service_fn(reply::<Empty>));
        assert_eq!(count(binding), 1);
        TEXT.run("x".into(), || {
            assert_eq!(
                count(FrameLayer::new().layer(service_fn(reply::<Empty>))),
                0
            );
            assert_eq!(
                count(ClientFrameLayer::new().layer(service_fn(reply::<_>))),
                0
            );
        });
    });
}
