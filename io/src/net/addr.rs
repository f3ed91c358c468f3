//! From what a caller writes to socket addresses.
//!
//! Owns the sealed trait. Addresses and numbers are resolved at once, and without a runtime; names
//! are handed to [`crate::net::lookup`]. It must not know sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use framewise_context::coop;

use crate::net::lookup::lookup;

/// What can be resolved to socket addresses: addresses, pairs of an address or a name and a port,
/// and `"name:port"`.
///
/// It is implemented for the types for which `std`'s trait of that name is, and by nothing else.
/// A numeric address is resolved at once; a name is looked up on the blocking pool.
pub trait ToSocketAddrs: sealed::Resolve {}

impl<T: sealed::Resolve + ?Sized> ToSocketAddrs for T {}

/// Resolves `host`, looking it up if it is a name.
///
/// # Errors
///
/// Fails with `InvalidInput` when `host` has no port or is otherwise malformed, with the system's
/// error when the look-up fails, and when there is no runtime to look a name up on.
///
/// # Cancel safety
///
/// Nothing is lost; a look-up that has begun on the blocking pool goes on to its end there.
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(host).await
}

/// As [`lookup_host`], for the sockets.
pub(crate) async fn resolve(host: impl ToSocketAddrs) -> io::Result<Addresses> {
    let resolution = host.resolve()?;
    drop(host);
    match resolution {
        sealed::Resolution::Known(addresses) => {
            // It does not wait, and must not keep its task from yielding.
            coop::consume_budget().await;
            Ok(addresses)
        }
        sealed::Resolution::Name(name, port) => lookup(name, port).await.map(Addresses::Several),
    }
}

/// Resolved addresses.
#[derive(Debug)]
pub enum Addresses {
    /// One, or none any more.
    One(Option<SocketAddr>),
    /// Several.
    Several(std::vec::IntoIter<SocketAddr>),
}

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match self {
            Addresses::One(address) => address.take(),
            Addresses::Several(addresses) => addresses.next(),
        }
    }
}

mod sealed {
    use super::Addresses;

    /// What there is to do.
    pub enum Resolution {
        Known(Addresses),
        Name(String, u16),
    }

    pub trait Resolve {
        fn resolve(&self) -> std::io::Result<Resolution>;
    }
}

use sealed::{Resolution, Resolve};

fn one(address: impl Into<SocketAddr>) -> io::Result<Resolution> {
    Ok(Resolution::Known(Addresses::One(Some(address.into()))))
}

impl Resolve for SocketAddr {
    fn resolve(&self) -> io::Result<Resolution> {
        one(*self)
    }
}

impl Resolve for SocketAddrV4 {
    fn resolve(&self) -> io::Result<Resolution> {
        one(*self)
    }
}

impl Resolve for SocketAddrV6 {
    fn resolve(&self) -> io::Result<Resolution> {
        one(*self)
    }
}

impl Resolve for (IpAddr, u16) {
    fn resolve(&self) -> io::Result<Resolution> {
        one(*self)
    }
}

impl Resolve for (Ipv4Addr, u16) {
    fn resolve(&self) -> io::Result<Resolution> {
        one(*self)
    }
}

impl Resolve for (Ipv6Addr, u16) {
    fn resolve(&self) -> io::Result<Resolution> {
        one(*self)
    }
}

impl Resolve for [SocketAddr] {
    fn resolve(&self) -> io::Result<Resolution> {
        Ok(Resolution::Known(Addresses::Several(
            Vec::from(self).into_iter(),
        )))
    }
}

impl Resolve for (&str, u16) {
    fn resolve(&self) -> io::Result<Resolution> {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(address) => one((address, port)),
            Err(_) => Ok(Resolution::Name(host.to_owned(), port)),
        }
    }
}

impl Resolve for (String, u16) {
    fn resolve(&self) -> io::Result<Resolution> {
        (self.0.as_str(), self.1).resolve()
    }
}

impl Resolve for str {
    fn resolve(&self) -> io::Result<Resolution> {
        if let Ok(address) = self.parse::<SocketAddr>() {
            return one(address);
        }
        let malformed = |what: &str| {
            let message = format!("invalid socket address {self:?}: {what}, as in \"host:80\"");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        };
        let (host, port) = self
            .rsplit_once(':')
            .ok_or_else(|| malformed("a port is wanted"))?;
        let port = port
            .parse::<u16>()
            .map_err(|_| malformed("the port must be a number"))?;
        (host, port).resolve()
    }
}

impl Resolve for String {
    fn resolve(&self) -> io::Result<Resolution> {
        self.as_str().resolve()
    }
}

impl<T: Resolve + ?Sized> Resolve for &T {
    fn resolve(&self) -> io::Result<Resolution> {
        (**self).resolve()
    }
}
