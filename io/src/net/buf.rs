//! Receiving into the spare memory of a `bytes::BufMut` (feature `bytes`).
//!
//! Owns what happens between the buffer and the system call, which writes to memory that may be
//! uninitialized. It must not know how an operation waits.

use std::io;
use std::mem::MaybeUninit;

use bytes::BufMut;

use crate::net::stream_io::ReadIo;

/// A socket of datagrams.
pub(crate) trait DatagramIo {
    type Address;

    /// Receives into `buffer`. If it returns `n`, the first `n` bytes are initialized.
    fn receive_uninit(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize>;

    /// The same, with the sender.
    fn receive_uninit_from(
        &self,
        buffer: &mut [MaybeUninit<u8>],
    ) -> io::Result<(usize, Self::Address)>;
}

impl DatagramIo for mio::net::UdpSocket {
    type Address = std::net::SocketAddr;

    fn receive_uninit(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        self.try_io(|| socket2::SockRef::from(self).recv(buffer))
    }

    fn receive_uninit_from(
        &self,
        buffer: &mut [MaybeUninit<u8>],
    ) -> io::Result<(usize, std::net::SocketAddr)> {
        let (count, sender) = self.try_io(|| socket2::SockRef::from(self).recv_from(buffer))?;
        let sender = sender.as_socket();
        Ok((count, sender.expect("a UDP socket receives from addresses")))
    }
}

#[cfg(unix)]
impl DatagramIo for mio::net::UnixDatagram {
    type Address = crate::net::unix::SocketAddr;

    fn receive_uninit(&self, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        self.try_io(|| socket2::SockRef::from(self).recv(buffer))
    }

    fn receive_uninit_from(
        &self,
        buffer: &mut [MaybeUninit<u8>],
    ) -> io::Result<(usize, crate::net::unix::SocketAddr)> {
        // socket2 has no conversion of addresses without a path, and std initialized memory only.
        buffer.fill(MaybeUninit::new(0));
        // SAFETY: every byte was just initialized, and `MaybeUninit<u8>` has the layout of `u8`.
        let buffer = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [u8]) };
        self.recv_from(buffer)
    }
}

/// Reads into the spare memory of `buffer`.
pub(crate) fn read(io: &impl ReadIo, buffer: &mut (impl BufMut + ?Sized)) -> io::Result<usize> {
    // SAFETY: see `ReadIo::receive_uninit`.
    unsafe { fill(buffer, |spare| io.receive_uninit(spare)) }
}

/// Receives a datagram into the spare memory of `buffer`.
pub(crate) fn receive(
    io: &impl DatagramIo,
    buffer: &mut (impl BufMut + ?Sized),
) -> io::Result<usize> {
    // SAFETY: see `DatagramIo::receive_uninit`.
    unsafe { fill(buffer, |spare| io.receive_uninit(spare)) }
}

/// Like [`receive`], with the sender.
pub(crate) fn receive_from<D: DatagramIo>(
    io: &D,
    buffer: &mut (impl BufMut + ?Sized),
) -> io::Result<(usize, D::Address)> {
    let mut from = None;
    let call = |spare: &mut [MaybeUninit<u8>]| {
        let (count, sender) = io.receive_uninit_from(spare)?;
        from = Some(sender);
        Ok(count)
    };
    // SAFETY: see `DatagramIo::receive_uninit_from`.
    let count = unsafe { fill(buffer, call)? };
    Ok((count, from.expect("it was received")))
}

/// Calls `receive` with the spare memory of `buffer`, and counts what it returns as filled.
///
/// # Safety
///
/// If `receive` returns `n`, it has initialized the first `n` bytes. It makes no byte
/// uninitialized.
unsafe fn fill(
    buffer: &mut (impl BufMut + ?Sized),
    receive: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<usize>,
) -> io::Result<usize> {
    // SAFETY: `receive` makes no byte uninitialized.
    let spare = unsafe { buffer.chunk_mut().as_uninit_slice_mut() };
    let len = spare.len();
    let count = receive(spare)?;
    assert!(count <= len, "the system writes within the memory");
    // SAFETY: `receive` has initialized that many bytes, of those that were spare.
    unsafe { buffer.advance_mut(count) };
    Ok(count)
}
