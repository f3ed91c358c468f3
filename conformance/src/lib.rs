//! Tests with which the author of an executor, a pool, a combinator or a stream shows that context
//! survives their code.

#![allow(dead_code)]

mod checks;
mod combinator;
mod executor;
mod item;
mod pool;
mod probe;
mod report;
mod runner;
mod stream;
mod trial;
mod verdict;
mod way;

pub use combinator::{Child, Combinator};
pub use executor::{
    Blocking, BoxFuture, BoxStream, CallbackHandle, Duplex, Ended, Executor, JoinHandle, Joining,
    Listener, Local, LocalBoxFuture, Net, Output, PanicHook, Shutdown, Timers, UnhandledPanics,
};
pub use framewise_context as context;
pub use item::{Item, LAST_ITEM};
pub use pool::{Connection, Connector, Pool, Work};
pub use report::{Finding, ItemState, Outcome, Report};
pub use runner::Suite;
pub use verdict::Failure;
pub use way::Way;
