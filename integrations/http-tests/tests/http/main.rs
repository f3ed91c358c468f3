//! Tests of frames in HTTP bodies and connections (C-89, C-90): hyper's bodies over HTTP/1 and
//! HTTP/2, upgraded connections, gRPC streams, axum's server-sent events and WebSockets, and pooled
//! clients.
//!
//! A message contains the number of the request in whose frame it was made. Each test sends ten
//! thousand messages per protocol and direction, on connections that requests share, and no message
//! may be wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod axum_routes;
mod bodies;
mod glue;
mod grpc;
mod grpc_deadlines;
mod messages;
mod pool;
mod upgrades;
