//! The methods that borrowed and owned halves share.

/// The methods of a reading half, in terms of `self.stream()`.
macro_rules! read_half_methods {
    () => {
        /// Returns the whole stream.
        pub fn as_stream(&self) -> &TcpStream {
            self.stream()
        }

        /// See [`TcpStream::read`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::read`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.stream().read(buffer).await
        }

        /// See [`TcpStream::read_vectored`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::read`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.stream().read_vectored(buffers).await
        }

        /// See [`TcpStream::read_exact`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::read_exact`].
        ///
        /// # Cancel safety
        ///
        /// Not safe, like [`TcpStream::read_exact`].
        pub async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
            self.stream().read_exact(buffer).await
        }

        /// See [`TcpStream::peek`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::peek`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.stream().peek(buffer).await
        }

        /// See [`TcpStream::readable`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::readable`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn readable(&self) -> io::Result<()> {
            self.stream().readable().await
        }

        /// See [`TcpStream::try_read`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::try_read`].
        pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.stream().try_read(buffer)
        }

        /// See [`TcpStream::try_read_vectored`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::try_read`].
        pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.stream().try_read_vectored(buffers)
        }
    };
}

/// The methods of a writing half, in terms of `self.stream()`.
macro_rules! write_half_methods {
    () => {
        /// Returns the whole stream.
        pub fn as_stream(&self) -> &TcpStream {
            self.stream()
        }

        /// See [`TcpStream::write`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::write`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn write(&self, buffer: &[u8]) -> io::Result<usize> {
            self.stream().write(buffer).await
        }

        /// See [`TcpStream::write_vectored`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::write`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
            self.stream().write_vectored(buffers).await
        }

        /// See [`TcpStream::write_all`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::write_all`].
        ///
        /// # Cancel safety
        ///
        /// Not safe, like [`TcpStream::write_all`].
        pub async fn write_all(&self, buffer: &[u8]) -> io::Result<()> {
            self.stream().write_all(buffer).await
        }

        /// See [`TcpStream::writable`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::writable`].
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn writable(&self) -> io::Result<()> {
            self.stream().writable().await
        }

        /// See [`TcpStream::try_write`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::try_write`].
        pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
            self.stream().try_write(buffer)
        }

        /// See [`TcpStream::try_write_vectored`].
        ///
        /// # Errors
        ///
        /// See [`TcpStream::try_write`].
        pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
            self.stream().try_write_vectored(buffers)
        }
    };
}

pub(crate) use {read_half_methods, write_half_methods};
