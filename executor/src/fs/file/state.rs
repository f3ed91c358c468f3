//! What the pool's threads do with a file: one operation at a time, in any order of their calls.
//!
//! Owns the system's file, the buffer between it and the task, and the lock of both. A thread of
//! the pool holds the lock while it makes system calls; a task only tries it ([`Core::try_lock`]).
//!
//! The buffer has bytes that were read and not taken yet, or bytes that a task has written and that
//! are not in the file yet. What a task has begun, a write or a new length, is finished by the
//! thread that locks the state next: each operation begins with [`State::finish`]. So an operation
//! that is called after a write comes after it, whichever of their calls a thread takes first; and
//! what was begun for a future that was dropped is not done later.

use std::fs::File as StdFile;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
#[cfg(unix)]
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// What a file and its calls share.
pub(super) struct Core {
    #[cfg(unix)]
    pub(super) descriptor: RawFd,
    /// (It is `std`'s lock, since what it guards is system calls, which no model can make.)
    guarded: Mutex<State>,
}

pub(super) struct State {
    /// `None` after the file was converted to `std`'s.
    file: Option<StdFile>,
    buffer: Buffer,
    unfinished: Option<Unfinished>,
    /// How far the system's position is beyond where the next operation begins, not counting unread
    /// bytes.
    ahead: i64,
    /// The error of a write whose caller was not waiting.
    write_error: Option<io::Error>,
}

/// What a task has begun, and the next operation does first.
enum Unfinished {
    /// The buffer's bytes are to be written.
    Write,
    SetLen(u64, SetLenResult),
}

/// Where the call that belongs to a new length finds the result, if another one has set it.
pub(super) type SetLenResult = Arc<Mutex<Option<io::Result<()>>>>;

/// Bytes between a file and its task. Its memory is reused.
#[derive(Default)]
struct Buffer {
    /// All of it is initialized.
    memory: Vec<u8>,
    from: usize,
    to: usize,
}

impl Buffer {
    fn bytes(&self) -> &[u8] {
        &self.memory[self.from..self.to]
    }

    fn clear(&mut self) {
        (self.from, self.to) = (0, 0);
    }

    /// Makes room for that many bytes in an empty buffer.
    fn reserve(&mut self, len: usize) {
        if self.memory.len() < len {
            self.memory.resize(len, 0);
        }
    }

    /// Copies from several pieces into an empty buffer, up to a limit. Returns the number of bytes.
    fn fill<'b>(&mut self, pieces: impl Iterator<Item = &'b [u8]>, limit: usize) -> usize {
        self.clear();
        for piece in pieces {
            let count = piece.len().min(limit - self.to);
            let to = self.to + count;
            self.reserve(to);
            self.memory[self.to..to].copy_from_slice(&piece[..count]);
            self.to = to;
        }
        self.to
    }
}

impl Core {
    pub(super) fn new(file: StdFile) -> Self {
        Self {
            #[cfg(unix)]
            descriptor: file.as_raw_fd(),
            guarded: Mutex::new(State {
                file: Some(file),
                buffer: Buffer::default(),
                unfinished: None,
                ahead: 0,
                write_error: None,
            }),
        }
    }

    /// Locks the state; on threads that may block.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state unless a call has it, or something is unfinished.
    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        let state = match self.guarded.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        state.unfinished.is_none().then_some(state)
    }
}

/// A call that writes the buffer. If the pool drops it because the runtime ends, the bytes are
/// written by the thread that drops it: the task has taken them for written.
pub(super) struct WriteCall(pub(super) Arc<Core>);

impl WriteCall {
    pub(super) fn run(self) {
        self.0.lock().finish();
    }
}

impl Drop for WriteCall {
    fn drop(&mut self) {
        // The lock is taken if the pool rejects the call at once, by the task that makes it; or by
        // an operation that writes first.
        if let Ok(mut state) = self.0.guarded.try_lock() {
            state.finish();
        }
    }
}

impl State {
    fn file(&self) -> io::Result<&StdFile> {
        open(self.file.as_ref())
    }

    /// Takes the file out, at the position of the next operation.
    pub(super) fn take(&mut self) -> io::Result<StdFile> {
        self.finish();
        // What cannot seek, such as a terminal, has no position.
        let _ = self.align();
        self.file()?;
        Ok(self.file.take().expect("it was just there"))
    }

    /// Calls `f` with the file, after what was written before.
    pub(super) fn with_file<T>(
        &mut self,
        f: impl FnOnce(&StdFile) -> io::Result<T>,
    ) -> io::Result<T> {
        self.finish();
        f(self.file()?)
    }

    /// Like [`with_file`](Self::with_file), for what depends on the position: bytes that were read
    /// and not taken are forgotten, and the system's position is that of the next operation.
    pub(super) fn with_position<T>(
        &mut self,
        f: impl FnOnce(&StdFile) -> io::Result<T>,
    ) -> io::Result<T> {
        self.finish();
        self.align()?;
        f(self.file()?)
    }

    /// Does what is unfinished.
    pub(super) fn finish(&mut self) {
        match self.unfinished.take() {
            None => {}
            Some(Unfinished::Write) => self.write(),
            Some(Unfinished::SetLen(len, result)) => {
                let set = self.align().and_then(|()| self.file()?.set_len(len));
                *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(set);
            }
        }
    }

    /// Writes the buffer. An error waits for the task's next write or flush.
    fn write(&mut self) {
        let written = self.move_back().and_then(|()| {
            let mut file = self.file()?;
            file.write_all(self.buffer.bytes())
        });
        self.buffer.clear();
        if let Err(error) = written {
            self.write_error.get_or_insert(error);
        }
    }

    /// Takes the error of an earlier write.
    pub(super) fn take_write_error(&mut self) -> Option<io::Error> {
        self.write_error.take()
    }

    /// Reads at most `limit` bytes, if all that were read before are taken. Returns how many there
    /// are to take: zero at the end of the file.
    pub(super) fn read(&mut self, limit: usize) -> io::Result<u64> {
        self.finish();
        if self.buffer.bytes().is_empty() {
            self.buffer.clear();
            self.move_back()?;
            self.buffer.reserve(limit);
            loop {
                let mut file = open(self.file.as_ref())?;
                match file.read(&mut self.buffer.memory[..limit]) {
                    Ok(count) => break self.buffer.to = count,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(self.buffer.bytes().len() as u64)
    }

    /// Returns the bytes that were read and not taken.
    pub(super) fn unread(&self) -> &[u8] {
        debug_assert!(
            self.unfinished.is_none(),
            "a task looks only when nothing must be written"
        );
        self.buffer.bytes()
    }

    /// Takes bytes that were read.
    pub(super) fn take_read(&mut self, count: usize) {
        self.buffer.from += count;
    }

    /// Puts bytes into the buffer that must be written, at most `limit`. Returns their number.
    pub(super) fn begin_write<'b>(
        &mut self,
        pieces: impl Iterator<Item = &'b [u8]>,
        limit: usize,
    ) -> usize {
        self.forget_unread();
        self.unfinished = Some(Unfinished::Write);
        self.buffer.fill(pieces, limit)
    }

    /// Begins to cut or extend the file.
    pub(super) fn begin_set_len(&mut self, len: u64, result: SetLenResult) {
        self.unfinished = Some(Unfinished::SetLen(len, result));
    }

    /// Takes back what was begun, since its call was rejected.
    pub(super) fn cancel(&mut self) {
        if let Some(Unfinished::Write) = self.unfinished.take() {
            self.buffer.clear();
        }
    }

    pub(super) fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.finish();
        self.forget_unread();
        if let SeekFrom::Current(_) = to {
            self.move_back()?;
        }
        let position = self.file()?.seek(to)?;
        self.ahead = 0;
        Ok(position)
    }

    /// Forgets the unread bytes: the position is before them again.
    fn forget_unread(&mut self) {
        self.ahead += i64::try_from(self.buffer.bytes().len()).expect("memory is limited");
        self.buffer.clear();
    }

    /// Moves the system's position to where the next operation begins.
    fn move_back(&mut self) -> io::Result<()> {
        if self.ahead != 0 {
            self.file()?.seek(SeekFrom::Current(-self.ahead))?;
            self.ahead = 0;
        }
        Ok(())
    }

    fn align(&mut self) -> io::Result<()> {
        self.forget_unread();
        self.move_back()
    }
}

/// A call may outlive its file, if its future was dropped and the file converted.
fn open(file: Option<&StdFile>) -> io::Result<&StdFile> {
    file.ok_or_else(|| io::Error::other("the file was converted to std's"))
}
