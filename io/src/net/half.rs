//! The methods that borrowed and owned halves have in common, once for both.

/// The reading half's, in terms of `self.stream()`.
macro_rules! read_half_methods {
    () => {
        /// The whole stream.
        pub fn as_stream(&self) -> &TcpStream {
            self.stream()
        }

        /// As [`TcpStream::read`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::read`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.stream().read(buffer).await
        }

        /// As [`TcpStream::read_vectored`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::read`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.stream().read_vectored(buffers).await
        }

        /// As [`TcpStream::read_exact`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::read_exact`].
        ///
        /// # Cancel safety
        ///
        /// Not safe, as [`TcpStream::read_exact`].
        pub async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
            self.stream().read_exact(buffer).await
        }

        /// As [`TcpStream::peek`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::peek`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.stream().peek(buffer).await
        }

        /// As [`TcpStream::readable`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::readable`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn readable(&self) -> io::Result<()> {
            self.stream().readable().await
        }

        /// As [`TcpStream::try_read`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::try_read`].
        pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.stream().try_read(buffer)
        }

        /// As [`TcpStream::try_read_vectored`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::try_read`].
        pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.stream().try_read_vectored(buffers)
        }
    };
}

/// The writing half's, in terms of `self.stream()`.
macro_rules! write_half_methods {
    () => {
        /// The whole stream.
        pub fn as_stream(&self) -> &TcpStream {
            self.stream()
        }

        /// As [`TcpStream::write`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::write`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn write(&self, buffer: &[u8]) -> io::Result<usize> {
            self.stream().write(buffer).await
        }

        /// As [`TcpStream::write_vectored`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::write`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
            self.stream().write_vectored(buffers).await
        }

        /// As [`TcpStream::write_all`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::write_all`].
        ///
        /// # Cancel safety
        ///
        /// Not safe, as [`TcpStream::write_all`].
        pub async fn write_all(&self, buffer: &[u8]) -> io::Result<()> {
            self.stream().write_all(buffer).await
        }

        /// As [`TcpStream::writable`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::writable`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn writable(&self) -> io::Result<()> {
            self.stream().writable().await
        }

        /// As [`TcpStream::try_write`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::try_write`].
        pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
            self.stream().try_write(buffer)
        }

        /// As [`TcpStream::try_write_vectored`].
        ///
        /// # Errors
        ///
        /// As [`TcpStream::try_write`].
        pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
            self.stream().try_write_vectored(buffers)
        }
    };
}

pub(crate) use {read_half_methods, write_half_methods};
