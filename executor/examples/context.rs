//! Which frame is seen where: in tasks, after timers, in callbacks, in blocking calls and by the
//! receiver of a message; and a variable that tasks do not inherit.
//!
//! ```sh
//! cargo run --example context
//! ```

use std::error::Error;
use std::time::Duration;

use framewise::context::WithFrame;
use framewise::{ContextVar, bind, spawn, spawn_blocking, spawn_root, time};

static USER: ContextVar<&str> = ContextVar::new("user");
// Two tasks must not use one transaction at once.
static TRANSACTION: ContextVar<u64> = ContextVar::new("transaction").not_inherited();

fn show(place: &str) {
    println!("{place}: {:?} {:?}", USER.get(), TRANSACTION.get());
}

async fn request() -> Result<(), Box<dyn Error>> {
    show("request");
    time::sleep(Duration::from_millis(1)).await;
    show("after a timer");

    // A task and a blocking call inherit the frame that is current where they are spawned.
    spawn(async { show("task") }).await?;
    spawn_root(async { show("task at the root") }).await?;
    spawn_blocking(|| show("blocking call")).await?;

    // A callback has the whole frame of the code that registered it.
    let (sender, done) = async_channel::bounded(1);
    time::set_timeout(Duration::from_millis(1), move || {
        show("callback");
        sender.try_send(()).expect("the channel has room");
    });
    done.recv().await?;

    // A message brings no frame. Where the receiver works for the sender, send a frame along.
    let (sender, messages) = async_channel::unbounded::<WithFrame<&str>>();
    let worker = spawn_root(async move {
        while let Ok(message) = messages.recv().await {
            show("worker");
            message.scope(|text| async move { show(text) }).await;
        }
    });
    sender.send(WithFrame::new("message")).await?;
    USER.run("bob", || sender.try_send(WithFrame::new("message of bob")))?;
    drop(sender);
    worker.await?;

    // A binding ends with its closure or future.
    show("request again");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    framewise::block_on(bind(&USER, "ada").and(&TRANSACTION, 1).scope(request()))
}
