//! The functions that are one call of `std::fs`.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use crate::blocking::call::call;

/// Reads a whole file.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-read", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     assert_eq!(fs::read(&path).await?, b"hello");
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref().to_owned();
    call(move || fs::read(path)).await
}

/// Reads a whole file, which must be UTF-8.
///
/// # Errors
///
/// Fails like [each operation](super#errors), and with `InvalidData` if the file is not UTF-8.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-read_to_string", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     assert_eq!(fs::read_to_string(&path).await?, "hello");
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref().to_owned();
    call(move || fs::read_to_string(path)).await
}

/// Writes a whole file, in place of what it contained. The contents are copied once.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-write", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     assert_eq!(fs::read(&path).await?, b"hello");
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    let contents = contents.as_ref().to_owned();
    call(move || fs::write(path, contents)).await
}

/// Copies a file, with its permissions, and returns the number of bytes.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-copy", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     let to = directory.join("copy");
///     assert_eq!(fs::copy(&path, &to).await?, 5);
///     assert_eq!(fs::read(&to).await?, b"hello");
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let from = from.as_ref().to_owned();
    let to = to.as_ref().to_owned();
    call(move || fs::copy(from, to)).await
}

/// Creates a directory.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-create_dir", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::create_dir(&path).await?;
///     assert!(fs::metadata(&path).await?.is_dir());
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    call(move || fs::create_dir(path)).await
}

/// Creates a directory, and those above it that are missing.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-create_dir_all", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::create_dir_all(path.join("one/two")).await?;
///     assert!(fs::metadata(path.join("one")).await?.is_dir());
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    call(move || fs::create_dir_all(path)).await
}

/// Removes an empty directory.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-remove_dir", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::create_dir(&path).await?;
///     fs::remove_dir(&path).await?;
///     assert!(!fs::try_exists(&path).await?);
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    call(move || fs::remove_dir(path)).await
}

/// Removes a directory and all that is in it. It follows no symbolic link.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-remove_dir_all", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::create_dir_all(path.join("one/two")).await?;
///     fs::remove_dir_all(&path).await?;
///     assert!(!fs::try_exists(&path).await?);
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    call(move || fs::remove_dir_all(path)).await
}

/// Removes a file. Where it is open it goes on existing, on Unix.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-remove_file", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     fs::remove_file(&path).await?;
///     assert!(!fs::try_exists(&path).await?);
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    call(move || fs::remove_file(path)).await
}

/// Renames a file or directory, within a file system, and replaces a file that has the new name.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-rename", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     let to = directory.join("renamed");
///     fs::rename(&path, &to).await?;
///     assert_eq!(fs::read(&to).await?, b"hello");
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let from = from.as_ref().to_owned();
    let to = to.as_ref().to_owned();
    call(move || fs::rename(from, to)).await
}

/// Returns the metadata of a file or directory; it follows symbolic links.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-metadata", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     assert_eq!(fs::metadata(&path).await?.len(), 5);
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    call(move || fs::metadata(path)).await
}

/// Like [`metadata`], of a symbolic link itself if the path is one.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-symlink_metadata", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     assert!(!fs::symlink_metadata(&path).await?.is_symlink());
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    call(move || fs::symlink_metadata(path)).await
}

/// Returns the absolute path without symbolic links.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-canonicalize", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     let found = fs::canonicalize(directory.join("./file")).await?;
///     assert_eq!(found, std::fs::canonicalize(&directory)?.join("file"));
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    call(move || fs::canonicalize(path)).await
}

/// Gives a file another name.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-hard_link", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     let link = directory.join("link");
///     fs::hard_link(&path, &link).await?;
///     assert_eq!(fs::read(&link).await?, b"hello");
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let original = original.as_ref().to_owned();
    let link = link.as_ref().to_owned();
    call(move || fs::hard_link(original, link)).await
}

/// Makes a symbolic link. The original need not exist.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-symlink", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     let link = directory.join("link");
///     fs::symlink(&path, &link).await?;
///     assert_eq!(fs::read_link(&link).await?, path);
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
#[cfg(unix)]
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let original = original.as_ref().to_owned();
    let link = link.as_ref().to_owned();
    call(move || std::os::unix::fs::symlink(original, link)).await
}

/// Returns where a symbolic link leads.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-read_link", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
/// # #[cfg(unix)] {
///     let link = directory.join("link");
///     fs::symlink(&path, &link).await?;
///     assert_eq!(fs::read_link(&link).await?, path);
/// # }
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    call(move || fs::read_link(path)).await
}

/// Sets the permissions of a file or directory.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-set_permissions", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     fs::write(&path, "hello").await?;
///     let mut permissions = fs::metadata(&path).await?.permissions();
///     permissions.set_readonly(true);
///     fs::set_permissions(&path, permissions).await?;
///     assert!(fs::metadata(&path).await?.permissions().readonly());
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    call(move || fs::set_permissions(path, permissions)).await
}

/// Returns `true` if there is a file or directory; it follows symbolic links.
///
/// # Errors
///
/// Fails like [each operation](super#errors), for example if a directory may not be searched.
///
/// # Examples
///
/// ```
/// use framewise::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = std::env::temp_dir().join(format!("framewise-doc-{}-try_exists", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let path = directory.join("file");
/// framewise::block_on(async {
///     assert!(!fs::try_exists(&path).await?);
///     fs::write(&path, "hello").await?;
///     assert!(fs::try_exists(&path).await?);
/// #   std::fs::remove_dir_all(&directory)?;
///     Ok(())
/// })
/// # }
/// ```
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref().to_owned();
    call(move || fs::exists(path)).await
}

/// Makes a symbolic link to a directory.
#[cfg(windows)]
pub async fn symlink_dir(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let original = original.as_ref().to_owned();
    let link = link.as_ref().to_owned();
    call(move || std::os::windows::fs::symlink_dir(original, link)).await
}

/// Makes a symbolic link to a file.
#[cfg(windows)]
pub async fn symlink_file(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let original = original.as_ref().to_owned();
    let link = link.as_ref().to_owned();
    call(move || std::os::windows::fs::symlink_file(original, link)).await
}
