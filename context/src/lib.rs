//! Immutable, copy-on-write context frames: a value is bound once and seen by all work that the
//! binding starts.
//!
//! A request id, a tenant, a trace or a deadline belongs to the work, and not to a thread or a
//! parameter list. A [`ContextVar`] holds such a value: it is bound for a closure or a future, and
//! all code inside sees it, however deep, and no other code. A [`Frame`] is the set of current
//! bindings at one moment: a snapshot that can be held, sent to another thread and entered there.
//! This crate knows no runtime. The `framewise` runtime carries the frame of every task, timer and
//! blocking call automatically; on other executors the program carries frames explicitly, with the
//! same types.
//!
//! The model is the AsyncContextFrame of workerd and Node 24: an immutable, copy-on-write set of
//! bindings, and one pointer for the current one. The API follows the TC39 AsyncContext proposal
//! (`run`, snapshots, wrapped functions).
//!
//! # A tour
//!
//! Declare a variable, bind it for a closure, read it anywhere inside:
//!
//! ```
//! use framewise_context::ContextVar;
//! static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//!
//! fn log(message: &str) -> String {
//!     REQUEST_ID.with(|id| match id {
//!         Some(id) => format!("[{id}] {message}"),
//!         None => message.to_owned(),
//!     })
//! }
//!
//! assert_eq!(REQUEST_ID.run(7, || log("paid")), "[7] paid");
//! assert_eq!(log("idle"), "idle");
//! ```
//!
//! Bind it for a future: it is bound during each poll and during the drop, on top of the poller's
//! frame. Several bindings at once make one frame, so they cost one allocation:
//!
//! ```
//! use framewise_context::{ContextVar, bind};
//! static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//! static TENANT: ContextVar<String> = ContextVar::new("tenant");
//!
//! let work = async { (REQUEST_ID.get(), TENANT.get()) };
//! let work = bind(&REQUEST_ID, 7).and(&TENANT, "ada".into()).scope(work);
//! assert_eq!(futures::executor::block_on(work), (Some(7), Some("ada".into())));
//! ```
//!
//! A snapshot carries bindings elsewhere: it can be entered, polled in, or wrapped around a
//! callback:
//!
//! ```
//! use framewise_context::{ContextVar, Frame};
//! static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//!
//! let frame = REQUEST_ID.run(7, Frame::current);
//! let job = frame.clone().wrap_once(|| REQUEST_ID.get());
//! assert_eq!(std::thread::spawn(job).join().unwrap(), Some(7));
//! assert_eq!(frame.run(|| REQUEST_ID.get()), Some(7));
//! let later = frame.scope(async { REQUEST_ID.get() });
//! assert_eq!(futures::executor::block_on(later), Some(7));
//! ```
//!
//! Or take one away: for a closure, for a future, or for what is spawned inside:
//!
//! ```
//! use framewise_context::{ContextVar, Frame};
//! static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//!
//! REQUEST_ID.run(7, || {
//!     assert_eq!(REQUEST_ID.run_unbound(|| REQUEST_ID.get()), None);
//!     Frame::without_flow(|| assert!(Frame::current().inherited().is_root()));
//! });
//! ```
//!
//! With a thread-local of code that knows no frames: [`ContextVar::mirrored`] has it follow.
//!
//! With a message: a receiver runs in its own frame, and can open a [`WithFrame`] value in the
//! sender's frame.
//!
//! With an HTTP body: the connection's task polls a body after its handler has returned, so a scope
//! around the handler does not cover it. `Frame::scope_body` (feature `http-body`) polls a body in
//! a frame. The layers of the module `tower` (feature `tower`) do so for each response of a server
//! and each request of a client.
//!
//! On tokio: its `spawn` starts a task at the root. Those of the module `tokio` (feature `tokio`)
//! inherit the frame.
//!
//! # Costs
//!
//! The root frame is a null pointer. Reading costs a thread-local load, two tests and an indexed
//! load. Entering a frame swaps one thread-local pointer; a snapshot increments one count. Only
//! binding allocates: once, with the values in the same block of memory. Small plain values
//! (integers, floats, `bool`, `char`) are copied into each frame. Other values stay where they were
//! bound, each with its own count. So a shadowed value is freed with its own scope and holders,
//! however long frames derived from it live. A frame stores the id of its parent and does not keep
//! the parent alive.
//!
//! # What the API prevents
//!
//! A binding cannot outlive its scope: there is no call that enters a frame and relies on the
//! caller to leave it, and no guard that could be leaked or dropped out of order.
//!
//! ```compile_fail
//! # use framewise_context::Frame;
//! let guard = Frame::current().enter();
//! ```
//!
//! ```compile_fail
//! # use framewise_context::ContextVar;
//! # static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//! let guard = REQUEST_ID.enter_with(7);
//! ```
//!
//! A reference to a value cannot leave the closure; a clone can:
//!
//! ```compile_fail
//! # use framewise_context::ContextVar;
//! # static TENANT: ContextVar<String> = ContextVar::new("tenant");
//! let out: Option<&String> = TENANT.run("ada".into(), || TENANT.with(|tenant| tenant));
//! ```
//!
//! ```
//! # use framewise_context::ContextVar;
//! # static TENANT: ContextVar<String> = ContextVar::new("tenant");
//! let out: Option<String> = TENANT.run("ada".into(), || TENANT.with(|tenant| tenant.cloned()));
//! ```
//!
//! Variables are statics, and values must be usable on any thread:
//!
//! ```compile_fail
//! # use framewise_context::ContextVar;
//! let local = ContextVar::new("local");
//! local.run(7, || ());
//! ```
//!
//! ```compile_fail
//! # use framewise_context::ContextVar;
//! static LOCAL: ContextVar<std::rc::Rc<u64>> = ContextVar::new("local");
//! ```
//!
//! A value that holds its own frame, for example through a `Mutex<Frame>`, is a cycle of counts and
//! is never freed.
//!
//! # Finding leaked frames
//!
//! A frame that is held keeps its values alive. In builds with debug assertions, or with the
//! feature `frame-stats`, live frames are counted by the place that bound them, and [`frame_stats`]
//! returns the counts. A count that only grows is a leak, and its place has a name. Other builds
//! pay nothing.
//!
//! ```
//! # use framewise_context::{ContextVar, Frame, frame_stats};
//! # static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//! let kept = REQUEST_ID.run(7, Frame::current);
//! if let Some(stats) = frame_stats() {
//!     // 1 live frame, bound at src/main.rs:1:23
//!     println!("{stats}");
//! }
//! # drop(kept);
//! ```
//!
//! # For executors
//!
//! A task stores [`Frame::current`]`().`[`inherited`](Frame::inherited)`()` of the place where it
//! was spawned. The executor runs each poll, and the drop of the future, inside [`Frame::run`]. A
//! poll also belongs inside [`coop::with_budget`], so that a task whose operations are always ready
//! yields. Timers and I/O store [`FramedWaker`]s. [`catch_unwind`] catches a panic and returns the
//! frame in which it began.

mod bind;
mod block;
#[cfg(feature = "http-body")]
mod body;
pub mod cancel;
pub mod contract;
#[doc(hidden)]
pub mod control;
pub mod coop;
mod current;
mod default_var;
mod derive;
mod derived_scope;
mod follow;
mod frame;
mod frame_stats;
mod inherit;
mod key;
mod key_group;
mod lifetime_check;
mod mirror;
mod new_bindings;
mod panic;
mod release;
mod role;
mod scope;
mod statics;
mod stream;
mod tables;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tower")]
pub mod tower;
mod unbound;
mod var;
mod waker;
mod with_frame;
mod wrap;
mod writer;

#[cfg(framewise_loom)]
#[doc(hidden)]
pub use statics::model as statics_model;

pub use bind::{BindingList, Bindings, Bound, bind};
pub use default_var::DefaultVar;
#[doc(hidden)]
pub use derived_scope::{DerivedScope, MakeValue};
#[doc(hidden)]
pub use follow::follow_frames;
pub use frame::{Frame, FrameId};
pub use frame_stats::{FrameStats, LocationStats, frame_stats};
#[doc(hidden)]
pub use mirror::{announce_current, is_current_mirrored};
pub use panic::{CaughtPanic, catch_unwind};
#[doc(hidden)]
pub use panic::{catch_unwind_of, current_owner, with_owner};
pub use scope::{FrameScope, Scope};
pub use unbound::{Unbound, without};
pub use var::ContextVar;
pub use waker::{
    FramedWaker, SuspendedDeferral, add_context_free_vtable, defer_wake, suspend_deferred_wakes,
};
pub use with_frame::WithFrame;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
