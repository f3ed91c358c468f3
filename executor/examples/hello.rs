//! A request id is bound once, and every line that the request logs has it: in its own task, in a
//! task that it spawns, and in a blocking call. No function has a parameter for it.
//!
//! ```sh
//! cargo run --example hello
//! ```

use framewise::{ContextVar, JoinError};

static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");

fn log(message: &str) {
    REQUEST_ID.with(|id| match id {
        Some(id) => println!("[request {id}] {message}"),
        None => println!("[no request] {message}"),
    });
}

async fn look_up_price() -> u32 {
    log("looking up the price");
    25
}

/// What a database driver without async does: it blocks its thread.
fn write_order(price: u32) {
    log(&format!("writing an order of {price} cents"));
}

async fn handle_request() -> Result<(), JoinError> {
    log("received");
    let price = framewise::spawn(look_up_price()).await?;
    framewise::spawn_blocking(move || write_order(price)).await?;
    log("done");
    Ok(())
}

#[framewise::main]
async fn main() -> Result<(), JoinError> {
    log("starting");
    for id in [7, 8] {
        REQUEST_ID.scope(id, handle_request()).await?;
    }
    log("stopping");
    Ok(())
}
