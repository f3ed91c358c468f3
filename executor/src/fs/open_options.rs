//! [`OpenOptions`]: how a file is opened.

use std::fs::OpenOptions as StdOpenOptions;
use std::io;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::File;
use crate::blocking::call::call;

/// How a file is opened: `std`'s options.
///
/// # Examples
///
/// ```
/// use framewise::fs::{self, OpenOptions};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-options", std::process::id()));
/// framewise::block_on(async {
///     for word in [b"hello ", b"world!"] {
///         let mut file = OpenOptions::new().append(true).create(true).open(&path).await?;
///         file.write_all(word).await?;
///         file.flush().await?;
///     }
///     assert_eq!(fs::read(&path).await?, b"hello world!");
///     fs::remove_file(&path).await
/// })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(StdOpenOptions);

impl OpenOptions {
    /// Creates options in which nothing is set.
    pub fn new() -> OpenOptions {
        OpenOptions(StdOpenOptions::new())
    }

    /// Sets whether the file can be read.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.0.read(read);
        self
    }

    /// Sets whether the file can be written.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.0.write(write);
        self
    }

    /// Sets whether each write goes to the file's end. It implies [`write`](Self::write).
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.0.append(append);
        self
    }

    /// Sets whether a file that exists is emptied, which needs [`write`](Self::write).
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.0.truncate(truncate);
        self
    }

    /// Sets whether a file that does not exist is created, which needs [`write`](Self::write) or
    /// [`append`](Self::append).
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.0.create(create);
        self
    }

    /// Sets whether the file must not exist and is created, in one step.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.0.create_new(create_new);
        self
    }

    /// Sets the permissions of a file that is created, from which the process's mask is taken away.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.0.mode(mode);
        self
    }

    /// Sets further flags of the system's `open`.
    #[cfg(unix)]
    pub fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.0.custom_flags(flags);
        self
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](super#errors): with `NotFound`, `AlreadyExists`,
    /// `PermissionDenied`, with `InvalidInput` if the options contradict each other.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use framewise::fs::OpenOptions;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-options-open", std::process::id()));
    /// framewise::block_on(async {
    ///     let error = OpenOptions::new().read(true).open(&path).await.unwrap_err();
    ///     assert_eq!(error.kind(), ErrorKind::NotFound);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let (options, path) = (self.0.clone(), path.as_ref().to_owned());
        call(move || options.open(path)).await.map(File::from_std)
    }
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions::new()
    }
}

impl From<StdOpenOptions> for OpenOptions {
    fn from(options: StdOpenOptions) -> OpenOptions {
        OpenOptions(options)
    }
}
