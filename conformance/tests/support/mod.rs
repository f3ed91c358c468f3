//! The executors that the suite runs on, as their users use them.

pub(crate) mod framewise;
pub(crate) mod local_pool;
pub(crate) mod smol;
pub(crate) mod table_file;
pub(crate) mod thread_pool;
pub(crate) mod tokio;
pub(crate) mod wrapping;
