//! Would the models notice?
//!
//! A model of concurrent code that passes says something only if it would fail were the code wrong.
//! This command asks that of every atomic operation, fence, notification and unpark: it lists where
//! the shipped code has them, finds which models reach each, and runs those models with that one
//! operation weakened or left out, until one of them fails. What no model notices is either argued
//! in a comment beside the operation or a failure of the command. Nothing is rebuilt for a mutant:
//! the facade, `framewise-sync` under `--cfg framewise_loom`, weakens what the environment names.
//! A second mode, in `code/`, changes the code between the operations.
//!
//! See the README for how to use it on a crate of one's own. What this crate must not know: the
//! protocols, and what is right.

mod arguments;
mod bounds;
mod campaign;
mod code;
mod command;
mod each;
mod groups;
mod lexer;
mod models;
mod mutation;
mod options;
mod plants;
mod process;
mod protocol;
mod runs;
mod sites;
mod source;
mod summary;
mod table;
mod verdict;

pub use command::main;
