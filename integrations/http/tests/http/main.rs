//! Frames in what HTTP is made of (C-89, C-90): hyper's bodies over HTTP/1 and HTTP/2, upgraded
//! connections, gRPC streams, axum's server-sent events and WebSockets, and pooled clients.
//!
//! A message says in which request's frame it was made. Ten thousand go over each protocol and in
//! each direction, on connections that requests share, and not one may be wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod axum_routes;
mod bodies;
mod glue;
mod grpc;
mod messages;
mod pool;
#[path = "../../../../executor/tests/support/mod.rs"]
mod support;
mod upgrades;
