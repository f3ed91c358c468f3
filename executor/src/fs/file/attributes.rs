//! What concerns the whole file: its length, its metadata, and whether it is on the device.
//!
//! These operations take `&self`: they neither use the position nor change what the task sees of
//! the call in flight.

use std::fs::{File as StdFile, FileTimes, Metadata, Permissions};
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use framewise_context::control;

use super::File;
use super::state::{SetLenResult, State};
use crate::blocking::call::{Caller, call, call_error};
use crate::task::JoinHandle;

impl File {
    /// Has the system write the file and its metadata to the device (`fsync`), after what was
    /// written before.
    ///
    /// An error of an earlier write is left for the next write or flush.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors).
    pub async fn sync_all(&self) -> io::Result<()> {
        self.call(|state| state.with_file(StdFile::sync_all)).await
    }

    /// Like [`sync_all`](Self::sync_all), without metadata that reading does not need
    /// (`fdatasync`).
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors).
    pub async fn sync_data(&self) -> io::Result<()> {
        self.call(|state| state.with_file(StdFile::sync_data)).await
    }

    /// Cuts the file, or extends it by zeros. The position stays, also if it is beyond the end.
    ///
    /// If the future is dropped after its first poll, the operations that follow wait for it.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors).
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::fs::{self, File};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("framewise-doc-{}-set-len", std::process::id()));
    /// framewise::block_on(async {
    ///     let mut file = File::create(&path).await?;
    ///     file.write_all(b"hello").await?;
    ///     file.set_len(4).await?;
    ///     assert_eq!(file.metadata().await?.len(), 4);
    ///     fs::remove_file(&path).await
    /// })
    /// # }
    /// ```
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        loop {
            poll_fn(control::poll_check).await?;
            if let Some(call) = self.begin_set_len(len)? {
                return call.await.map_err(call_error)?;
            }
            self.call(|state| state.with_file(|_| Ok(()))).await?;
        }
    }

    /// Begins to set the length, unless a call has the state.
    fn begin_set_len(&self, len: u64) -> io::Result<Option<JoinHandle<io::Result<()>>>> {
        let Some(mut state) = self.core.try_lock() else {
            return Ok(None);
        };
        let caller = Caller::current()?;
        let (core, result) = (Arc::clone(&self.core), SetLenResult::default());
        state.begin_set_len(len, Arc::clone(&result));
        let call = caller.spawn(move || {
            core.lock().finish();
            let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
            result.take().expect("it was set before this, or by this")
        });
        if call.is_finished() {
            state.cancel();
        }
        Ok(Some(call))
    }

    /// Returns the metadata.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors).
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.call(|state| state.with_file(StdFile::metadata)).await
    }

    /// Returns another handle of the same open file. Both share the position.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors).
    pub async fn try_clone(&self) -> io::Result<File> {
        let clone = self.call(|state| state.with_position(StdFile::try_clone));
        let mut clone = File::from_std(clone.await?);
        clone.max_buf_size = self.max_buf_size;
        Ok(clone)
    }

    /// Sets the permissions.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors).
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.call(|state| state.with_file(|file| file.set_permissions(permissions)))
            .await
    }

    /// Sets the times of the last access and modification.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors).
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.call(move |state| state.with_file(|file| file.set_times(times)))
            .await
    }

    /// Sets the time of the last modification.
    ///
    /// # Errors
    ///
    /// Fails like [each operation](crate::fs#errors).
    pub async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }

    /// Makes a call for an operation that does not change what the task sees.
    async fn call<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut State) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let core = Arc::clone(&self.core);
        call(move || operation(&mut core.lock())).await
    }
}
