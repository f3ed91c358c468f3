//! hyper's `rt::Read` and `rt::Write`, and hyper-util's `Connection`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use framewise_context::coop;
use hyper::rt::{Read, ReadBufCursor, Write};

use super::{Readable, Writable, for_each_readable, for_each_writable, impl_write};

fn poll_read(
    from: &impl Readable,
    cx: &mut Context<'_>,
    mut buffer: ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    // SAFETY: only the operating system writes to it, so nothing is de-initialized.
    let unfilled = unsafe { buffer.as_mut() };
    let count = ready!(from.read_io().poll_read_uninit(cx, unfilled))?;
    // SAFETY: `poll_read_uninit` has initialized that many bytes at the start of the unfilled part.
    unsafe { buffer.advance(count) };
    Poll::Ready(Ok(()))
}

macro_rules! impl_read {
    ([$($generics:tt)*] $kind:ty) => {
        impl<$($generics)*> Read for $kind {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                poll_read(&*self, cx, buffer)
            }
        }
    };
}

for_each_readable!(impl_read);
for_each_writable!(impl_write, Write, poll_shutdown, {
    fn is_write_vectored(&self) -> bool {
        true
    }
});

#[cfg(feature = "hyper-util")]
mod pooled {
    use hyper_util::client::legacy::connect::{Connected, Connection};

    impl Connection for crate::net::TcpStream {
        fn connected(&self) -> Connected {
            Connected::new()
        }
    }

    #[cfg(unix)]
    impl Connection for crate::net::UnixStream {
        fn connected(&self) -> Connected {
            Connected::new()
        }
    }
}
