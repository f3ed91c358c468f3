//! `framewise::serve` and `framewise::hyper::client`: frames, the end of a server, and what may go
//! wrong, over HTTP/1 and HTTP/2.
//!
//! Bodies, gRPC and WebSockets on this server: `integrations/http-tests`. The example `server` on
//! it: `executor/tests/server/`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod deadlines;
mod faults;
mod frames;
mod glue;
mod limits;
mod shutdown;
mod zones;
