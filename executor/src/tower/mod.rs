//! tower layers: a request's frame in its bodies, and its deadline from and to the wire.
//!
//! | layer | on the side of | does |
//! | --- | --- | --- |
//! | [`FrameLayer`] | the server | polls a response's body in the frame of its request |
//! | [`ClientFrameLayer`] | the client | polls a request's body in its caller's frame |
//! | [`DeadlineLayer`] | the server | runs a request, with both of its bodies, under the deadline of its header |
//! | [`ClientDeadlineLayer`] | the client | writes the remaining time into a request's header |
//!
//! The first two know no runtime: they are `framewise-context`'s, which says more of them. The
//! others need its timers.

mod body;
mod client;
mod header;
mod server;

use std::error::Error;

use http::StatusCode;

pub use body::DeadlineBody;
pub use client::{ClientDeadlineLayer, ClientDeadlineService};
pub use framewise_context::tower::{
    BindLayer, BindService, ClientFrameLayer, ClientFrameService, FrameLayer, FrameService,
    ResponseFuture,
};
pub use server::{DeadlineFuture, DeadlineLayer, DeadlineService};

/// Returns the status of a reply to a request that failed because its deadline has passed, 504, or
/// `None` if `error` has another reason.
///
/// # Examples
///
/// ```
/// use framewise::{deadline, tower};
/// use http::StatusCode;
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// framewise::block_on(async {
///     let listener = framewise::net::TcpListener::bind("127.0.0.1:0").await?;
///     // No client comes.
///     let accepted = deadline::within(Duration::from_millis(5), listener.accept()).await;
///     let error = accepted.expect_err("the deadline passes");
///     assert_eq!(tower::gateway_timeout(&error), Some(StatusCode::GATEWAY_TIMEOUT));
///     assert_eq!(tower::gateway_timeout(&std::io::Error::other("a disk")), None);
///     Ok(())
/// })
/// # }
/// ```
pub fn gateway_timeout(error: &(dyn Error + 'static)) -> Option<StatusCode> {
    crate::deadline::is(error).then_some(StatusCode::GATEWAY_TIMEOUT)
}
