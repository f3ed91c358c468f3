//! Mutation testing for loom models.
//!
//! A passing model of concurrent code is evidence only if the model would fail when the code is
//! wrong. This tool checks that for every atomic operation, fence, notification and unpark. It
//! lists the operations in the shipped code, finds the models that reach each one, and runs these
//! models with that one operation weakened or left out, until a model fails. A mutant that no model
//! detects needs an argument in a comment beside the operation; otherwise the command fails. No
//! mutant needs a rebuild: the facade, `framewise-sync` under `--cfg framewise_loom`, weakens the
//! operation that an environment variable names. A second mode, in `code/`, mutates the code
//! between the operations.
//!
//! The README shows how to use the tool on another crate. This crate must not know the protocols,
//! nor which behavior is correct.

mod arguments;
mod bounds;
mod checks;
mod code;
mod command;
mod each;
mod faults;
mod groups;
mod lexer;
mod models;
mod mutation;
mod mutation_run;
mod options;
mod process;
mod protocol;
mod runs;
mod sites;
mod source;
mod summary;
mod table;

pub use command::main;
