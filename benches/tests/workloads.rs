//! Every runtime can run every workload. The sizes are tiny, because nothing is measured.

use std::time::Duration;

use framewise_benches::carrier::Carrier;
use framewise_benches::load::{Many, Single};
use framewise_benches::measure::quantile;
use framewise_benches::work::{echo, memory, timers, wake};
use framewise_benches::{BenchRuntime, Framewise, Smol, SmolExecutor, Tokio, Workload};

#[test]
fn a_workload_is_found_by_its_name() {
    for workload in Workload::all() {
        assert_eq!(workload.to_string().parse(), Ok(workload));
    }
    assert!("spawn".parse::<Workload>().is_err());
}

fn runs_all<R: BenchRuntime>() {
    let runtime = R::start(2);
    for workload in Workload::all() {
        workload.batch(&runtime, 400);
    }
    let handle = runtime.handle();
    let room = memory::room::<R>(10);
    runtime.run(memory::idle_tasks::<R>(handle, room));
    let (first, window) = (Duration::from_millis(1), Duration::from_millis(2));
    let lateness = runtime.run(timers::fire::<R>(handle, 10, first, window));
    assert_eq!(lateness.len(), 10);
    assert_eq!(wake::latency(&runtime, 3, Duration::ZERO).len(), 3);
}

fn echoes<R: BenchRuntime>() {
    let runtime = R::start(2);
    let address = echo::start(&runtime);
    let mut single = Single::connect(address).expect("the server accepts");
    single.echo().expect("the server echoes");
    single.echo().expect("the server echoes");
    let mut many = Many::connect(address, 5).expect("the server accepts");
    let (echoes, _) = many.run_count(100).expect("the server echoes");
    assert!((100..=105).contains(&echoes), "{echoes} echoes");
    let (echoes, _) = many.run_for(Duration::ZERO).expect("the server echoes");
    assert_eq!(echoes, 5, "`run_for` waits for the messages in flight");
}

/// Checks that an inheriting task sees the values that its spawner bound, so that no carrier
/// measures nothing.
fn carries<R: BenchRuntime, M: Carrier>() {
    let runtime = R::start(2);
    let handle = runtime.handle();
    let seen = runtime.run(M::scope(async move {
        let inherited = R::spawn(handle, M::inherit(async { M::get() })).await;
        (M::get(), inherited)
    }));
    let bound = if M::KEYS == 0 { 0 } else { 7 };
    assert_eq!(seen, (bound, bound));
    assert_eq!(M::get(), 0, "nothing stays bound");
    assert_eq!(M::run(M::get), bound);
}

macro_rules! for_each_runtime {
    ($($name:ident: $runtime:ty;)+) => {
        $(mod $name {
            use super::*;

            #[test]
            fn runs_all() {
                super::runs_all::<$runtime>();
            }

            #[test]
            fn echoes() {
                super::echoes::<$runtime>();
            }

            #[test]
            fn carries_values() {
                carries::<$runtime, framewise_benches::carrier::Nothing>();
                carries::<$runtime, <$runtime as BenchRuntime>::K1>();
                carries::<$runtime, <$runtime as BenchRuntime>::K4>();
                carries::<$runtime, <$runtime as BenchRuntime>::K16>();
            }
        })+
    };
}

for_each_runtime! {
    framewise: Framewise;
    tokio: Tokio;
    smol: Smol;
    smol_executor: SmolExecutor;
}

#[test]
fn the_middle_of_values() {
    assert_eq!(quantile(&mut [3.0, 1.0, 2.0], 0.5), 2.0);
    assert_eq!(quantile(&mut [4.0, 1.0, 2.0, 3.0], 0.5), 2.5);
    assert_eq!(quantile(&mut [5.0], 0.99), 5.0);
}
