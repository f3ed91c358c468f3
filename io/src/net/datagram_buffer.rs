//! What the poll functions of datagram sockets receive into.

use std::io;

mod sealed {
    pub trait Sealed {}
}

/// A buffer for a datagram: bytes, whose number a poll function returns, or tokio's `ReadBuf`
/// (feature `tokio`), which counts them itself.
///
/// # Examples
///
/// ```no_run
/// use std::future::poll_fn;
/// use framewise_io::net::UdpSocket;
///
/// async fn receive(socket: &UdpSocket) -> std::io::Result<usize> {
///     let mut buffer = [0; 1500];
///     poll_fn(|cx| socket.poll_recv(cx, &mut buffer)).await
/// }
/// ```
pub trait DatagramBuffer: sealed::Sealed {
    /// What a poll function returns: the number of bytes, or nothing.
    type Received;

    /// What a poll function returns that tells the sender `A`, too.
    type ReceivedFrom<A>;

    /// Receives by the system call `call`.
    #[doc(hidden)]
    fn receive(
        &mut self,
        call: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Self::Received>;

    /// Receives by the system call `call`, which tells the sender.
    #[doc(hidden)]
    fn receive_from<A>(
        &mut self,
        call: impl FnOnce(&mut [u8]) -> io::Result<(usize, A)>,
    ) -> io::Result<Self::ReceivedFrom<A>>;
}

impl sealed::Sealed for [u8] {}

impl DatagramBuffer for [u8] {
    type Received = usize;
    type ReceivedFrom<A> = (usize, A);

    fn receive(&mut self, call: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        call(self)
    }

    fn receive_from<A>(
        &mut self,
        call: impl FnOnce(&mut [u8]) -> io::Result<(usize, A)>,
    ) -> io::Result<(usize, A)> {
        call(self)
    }
}

/// Makes a type that has bytes a buffer like them.
macro_rules! like_bytes {
    ([$($generics:tt)*] $buffer:ty) => {
        impl<$($generics)*> sealed::Sealed for $buffer {}

        impl<$($generics)*> DatagramBuffer for $buffer {
            type Received = usize;
            type ReceivedFrom<A> = (usize, A);

            fn receive(
                &mut self,
                call: impl FnOnce(&mut [u8]) -> io::Result<usize>,
            ) -> io::Result<usize> {
                call(self)
            }

            fn receive_from<A>(
                &mut self,
                call: impl FnOnce(&mut [u8]) -> io::Result<(usize, A)>,
            ) -> io::Result<(usize, A)> {
                call(self)
            }
        }
    };
}

like_bytes!([const LEN: usize] [u8; LEN]);
like_bytes!([] Vec<u8>);

#[cfg(feature = "tokio")]
impl sealed::Sealed for tokio::io::ReadBuf<'_> {}

#[cfg(feature = "tokio")]
impl DatagramBuffer for tokio::io::ReadBuf<'_> {
    type Received = ();
    type ReceivedFrom<A> = A;

    fn receive(&mut self, call: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<()> {
        let count = call(self.initialize_unfilled())?;
        self.advance(count);
        Ok(())
    }

    fn receive_from<A>(
        &mut self,
        call: impl FnOnce(&mut [u8]) -> io::Result<(usize, A)>,
    ) -> io::Result<A> {
        let (count, sender) = call(self.initialize_unfilled())?;
        self.advance(count);
        Ok(sender)
    }
}
