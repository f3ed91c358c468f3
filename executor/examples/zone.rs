//! Zones for plugins: what a plugin starts has its values, and what fails in it, wherever that is,
//! comes to its handler. (Beside Dart's and zone.js's zones: the guide's chapter `zones`.)
//!
//! ```sh
//! cargo run --example zone
//! ```

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use framewise::panics::{self, Handled};
use framewise::time::{PanicPolicy, set_interval_with};
use framewise::{ContextVar, Frame, runtime, spawn, spawn_blocking};

static PLUGIN: ContextVar<&str> = ContextVar::new("plugin");
static PART: ContextVar<&str> = ContextVar::new("part");

const SOON: Duration = Duration::from_millis(1);

fn show(what: &str) {
    let (plugin, part) = (PLUGIN.get(), PART.get());
    println!(
        "[{} {}] {what}",
        plugin.unwrap_or("host"),
        part.unwrap_or("-")
    );
}

/// Runs a plugin in a zone of its own: a value, and a handler. Returns when its parts have failed
/// `failures` times.
async fn in_zone(plugin: &'static str, failures: usize, work: impl Future<Output = ()>) {
    let (failed, fails) = async_channel::unbounded();
    let handler = panics::handle(move |error| {
        // In the frame of the failure.
        show(&error.to_string());
        failed.try_send(()).expect("the receiver is there");
        // Of what is worse than that, the host shall hear.
        if error.to_string().contains("fire") {
            Handled::No
        } else {
            Handled::Yes
        }
    });
    PLUGIN.scope(plugin, handler.scope(work)).await;
    for _ in 0..failures {
        fails.recv().await.expect("the zone holds the sender");
    }
}

async fn clock() {
    show("starts");
    // In a task of a task, of which no code keeps a handle.
    drop(spawn(PART.scope("display", async {
        drop(spawn(async { panic!("no battery") }));
    })));
}

async fn weather() {
    show("starts");
    let (done, is_done) = async_channel::bounded(1);
    let mut calls = 0;
    // An interval that goes on after a failure that was handled.
    let station = PART.run("station", || {
        set_interval_with(SOON, PanicPolicy::ContinueIfHandled, move || {
            calls += 1;
            match calls {
                1 => panic!("no wind"),
                2 => done.try_send(()).expect("it has room"),
                _ => {}
            }
        })
    });
    is_done.recv().await.expect("the interval goes on");
    station.cancel();
    show("has its second reading");
}

async fn stove() {
    show("starts");
    // A function that another zone calls runs in this one.
    let in_this_zone = Frame::current().wrap_once(|| PART.run("oven", || panic!("fire")));
    PLUGIN.run("cook", || {
        drop(spawn_blocking(|| {
            show("lights the oven");
            in_this_zone();
        }));
    });
}

fn main() -> Result<(), Box<dyn Error>> {
    // The lines below say it: the default hook would print each panic, too.
    std::panic::set_hook(Box::new(|_| ()));
    let (reported, reports) = async_channel::unbounded();
    let runtime = runtime::Builder::new()
        .worker_threads(1)
        .on_unhandled_panic(move |error| {
            show(&format!("not handled: {error}"));
            reported.try_send(()).expect("the receiver is there");
        })
        .build()?;
    runtime.block_on(async {
        in_zone("clock", 1, clock()).await;
        in_zone("weather", 1, weather()).await;
        in_zone("stove", 1, stove()).await;
        reports.recv().await?;
        // Outside of the zones nothing of them is left.
        show("goes on");
        Ok(())
    })
}
