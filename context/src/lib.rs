//! Immutable, copy-on-write context frames: bind a value once, see it in everything that follows
//! from it.
//!
//! A request id, a tenant, a trace, a deadline belongs to the work and not to a thread or to a
//! parameter list. A [`ContextVar`] is such a thing: bound for a closure or a future, it is seen by
//! whatever runs inside, however deep, and by nothing else. A [`Frame`] is what is bound at a
//! moment: a snapshot that can be held, sent to another thread and entered there. This crate knows
//! no runtime; the `framewise` runtime carries the frame of every task, timer and blocking call by
//! itself, and on any other executor it is carried by hand, with the same types.
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
//! For a future: bound at each poll and when it is dropped, on top of whatever its poller has.
//! Several at once are one frame, hence one allocation:
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
//! Carried elsewhere: a snapshot is entered, polled in, or wrapped around a callback:
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
//! With a message: whoever receives it runs in its own frame, and can open a [`Framed`] one in the
//! sender's.
//!
//! With an HTTP body: the connection's task polls a body after its handler has returned, so a scope
//! around the handler does not reach it. `Frame::scope_body` (feature `http-body`) polls a body in
//! a frame, and the layers of the module `tower` (a feature) do so for each response of a server
//! and each request of a client.
//!
//! # What it costs
//!
//! The root frame is a null pointer. Reading is a thread-local load, two tests and an indexed load.
//! Entering a frame swaps one thread-local pointer, a snapshot raises one count. Only binding
//! allocates: once, with the values in the same block of memory. Small plain values (integers,
//! floats, `bool`, `char`) are copied into each frame; others stay where they were bound and are
//! counted each, so a value that is bound over is freed with its own scope and holders, however
//! long its rebound children live. A frame remembers the number of its parent, and does not keep
//! it.
//!
//! # What is not possible
//!
//! A binding cannot outlive its scope: there is no call that enters and leaves the leaving to the
//! caller, nor a guard that could be forgotten or dropped out of order.
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
//! What is seen inside cannot be taken out but by value:
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
//! Variables are statics, and values go to any thread:
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
//! A value that holds its own frame, as through a `Mutex<Frame>`, is a cycle of counts and is never
//! freed.
//!
//! # Who keeps frames
//!
//! A frame that is kept keeps its values. In builds with debug assertions, or with the feature
//! `census`, the frames that are live are counted by the place that bound them, and [`census`] says
//! how many there are of each: what only grows is a leak, and has a name. Other builds pay nothing.
//!
//! ```
//! # use framewise_context::{ContextVar, Frame, census};
//! # static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//! let kept = REQUEST_ID.run(7, Frame::current);
//! if let Some(census) = census() {
//!     // 1 live frame, bound at src/main.rs:1:23
//!     println!("{census}");
//! }
//! # drop(kept);
//! ```
//!
//! # For executors
//!
//! A task keeps [`Frame::current`]`().`[`inherited`](Frame::inherited)`()` of where it was spawned,
//! and runs each poll, and the drop of its future, within [`Frame::run`]. A poll also belongs inside
//! [`coop::with_budget`], so that a task whose operations are always ready yields. Timers and I/O keep
//! [`FramedWaker`]s. A panic is caught by [`catch_unwind`], which says in which frame it began.

mod additions;
mod bind;
mod block;
#[cfg(feature = "http-body")]
mod body;
mod census;
mod chunk;
pub mod contract;
pub mod coop;
mod current;
mod derive;
mod envelope;
mod frame;
mod key;
mod leaves;
mod panic;
mod release;
mod scope;
mod statics;
mod stream;
#[cfg(feature = "tower")]
pub mod tower;
mod var;
mod waker;
mod watch;
mod wrap;
mod writer;

#[cfg(framewise_loom)]
#[doc(hidden)]
pub use statics::model as statics_model;

pub use bind::{BindingList, Bindings, Bound, bind};
pub use census::{Census, SiteCount, census};
pub use envelope::Framed;
pub use frame::{Frame, FrameId};
pub use panic::{CaughtPanic, catch_unwind};
pub use scope::{FrameScope, Scope};
pub use var::ContextVar;
pub use waker::{
    FramedWaker, SuspendedDeferral, defer_wake, set_frameless_vtable, suspend_deferred_wakes,
};
