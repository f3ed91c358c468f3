//! Reading, writing and seeking: what begins at the position, one operation at a time.

use std::future::poll_fn;
use std::io::{self, SeekFrom};

use super::File;

/// How much the first call of `read_to_end` asks for; each further one asks for twice as much.
const READ_TO_END_FIRST: usize = 32 << 10;
const READ_TO_END_MAX: usize = 2 << 20;

impl File {
    /// Reads into `buffer` and returns the number of bytes. Zero means the file's end, or that the
    /// buffer is empty.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors).
    ///
    /// # Cancel safety
    ///
    /// Safe: bytes that were read for a dropped future are returned by the next read.
    ///
    /// # Frame
    ///
    /// The awaiting task's, like for all operations of a file.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::fs::{self, File};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-read", std::process::id()));
    /// framewise::block_on(async {
    ///     fs::write(&path, "hello").await?;
    ///     let mut file = File::open(&path).await?;
    ///     let mut buffer = [0; 16];
    ///     assert_eq!(file.read(&mut buffer).await?, 5);
    ///     assert_eq!(file.read(&mut buffer).await?, 0, "the end");
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            self.poll_read_with(cx, buffer.len(), |bytes| {
                buffer[..bytes.len()].copy_from_slice(bytes);
            })
        })
        .await
    }

    /// Reads up to the file's end, behind what `all` contains. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// See [`read`](Self::read). `all` contains what was read before.
    ///
    /// # Cancel safety
    ///
    /// Safe in this sense: `all` contains what was read so far.
    pub async fn read_to_end(&mut self, all: &mut Vec<u8>) -> io::Result<usize> {
        let before = all.len();
        let limit = self.max_buf_size.min(READ_TO_END_MAX);
        let mut want = limit.min(READ_TO_END_FIRST);
        loop {
            let read =
                poll_fn(|cx| self.poll_read_with(cx, want, |bytes| all.extend_from_slice(bytes)));
            if read.await? == 0 {
                return Ok(all.len() - before);
            }
            want = limit.min(2 * want);
        }
    }

    /// Reads up to the file's end, which must be UTF-8, behind what `all` contains. Returns the
    /// number of bytes.
    ///
    /// # Errors
    ///
    /// See [`read`](Self::read). Fails with `InvalidData` if the bytes are not UTF-8; `all` is as
    /// it was then.
    ///
    /// # Cancel safety
    ///
    /// Not safe: what was read is lost.
    pub async fn read_to_string(&mut self, all: &mut String) -> io::Result<usize> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).await?;
        let text = String::from_utf8(bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        all.push_str(&text);
        Ok(text.len())
    }

    /// Has bytes written, at most [`max_buf_size`](Self::max_buf_size), and returns their number:
    /// see [writing and flushing](Self#writing-and-flushing).
    ///
    /// # Errors
    ///
    /// Fails with the error of an earlier write, and like [each operation](crate::fs#errors): none
    /// of these bytes is written then.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped before it completes, nothing was written.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write_pieces(cx, || std::iter::once(bytes))).await
    }

    /// Has all of `bytes` written.
    ///
    /// # Errors
    ///
    /// See [`write`](Self::write). Some of the bytes may be written.
    ///
    /// # Cancel safety
    ///
    /// Not safe: if the future is dropped, some of the bytes are written, and their number is lost.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.write(bytes).await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Waits until what was written is in the file. (It may not be on the device: see
    /// [`sync_all`](Self::sync_all).)
    ///
    /// # Errors
    ///
    /// Fails with the error of an earlier write, and like [each operation](crate::fs#errors).
    ///
    /// # Cancel safety
    ///
    /// Safe: the bytes are written, and an error waits for the next write or flush.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Moves the position, and returns it.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors), and with the system's error at a position
    /// before the file's beginning.
    ///
    /// # Cancel safety
    ///
    /// Not safe: if the future is dropped, the position may be moved or not.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::SeekFrom;
    /// use framewise::fs::{self, File};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-seek", std::process::id()));
    /// framewise::block_on(async {
    ///     fs::write(&path, "hello").await?;
    ///     let mut file = File::open(&path).await?;
    ///     assert_eq!(file.seek(SeekFrom::End(-2)).await?, 3);
    ///     let mut rest = String::new();
    ///     file.read_to_string(&mut rest).await?;
    ///     assert_eq!(rest, "lo");
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        poll_fn(|cx| self.poll_land(cx)).await?;
        self.start_seek(to)?;
        poll_fn(|cx| self.poll_land(cx)).await
    }
}
