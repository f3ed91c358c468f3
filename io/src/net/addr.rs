//! Conversion to socket addresses.
//!
//! Owns the sealed trait. Numeric addresses are resolved at once and without a runtime; names are
//! passed to [`crate::net::lookup`]. The file must not know sockets.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use framewise_context::{control, coop};

use crate::net::lookup::lookup;

/// A type that can be resolved to socket addresses: an address, a pair of an address or a name and
/// a port, or `"name:port"`.
///
/// It is implemented for the types for which `std`'s trait of that name is, and for no others. A
/// numeric address is resolved at once; a name is looked up on the blocking pool.
pub trait ToSocketAddrs: sealed::Resolve {}

impl<T: sealed::Resolve + ?Sized> ToSocketAddrs for T {}

/// Resolves `host`, looking it up if it is a name.
///
/// # Errors
///
/// Fails with `InvalidInput` if `host` has no port or is otherwise malformed, with the system's
/// error if the look-up fails, and outside of a runtime if `host` is a name. Fails if the frame's
/// deadline passes or it is canceled.
///
/// # Cancel safety
///
/// Safe. A look-up that has begun on the blocking pool continues there to its end.
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(host).await
}

/// Like [`lookup_host`], for the sockets.
pub(crate) async fn resolve(host: impl ToSocketAddrs) -> io::Result<Addresses> {
    poll_fn(control::poll_check).await?;
    let resolution = host.resolve()?;
    drop(host);
    match resolution {
        sealed::Resolution::Known(addresses) => {
            // This does not wait, so it consumes budget to let its task yield.
            coop::consume_budget().await;
            Ok(addresses)
        }
        sealed::Resolution::Name(name, port) => lookup(name, port).await.map(Addresses::Several),
    }
}

/// Resolved addresses.
#[derive(Debug)]
pub enum Addresses {
    /// One address, or `None` after it was returned.
    One(Option<SocketAddr>),
    /// Several addresses.
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

    /// Addresses, or a name to look up.
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
            let message =
                format!("invalid socket address {self:?}: {what}; write it like \"host:80\"");
            io::Error::new(io::ErrorKind::InvalidInput, message)
        };
        let (host, port) = self
            .rsplit_once(':')
            .ok_or_else(|| malformed("a port is missing"))?;
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
