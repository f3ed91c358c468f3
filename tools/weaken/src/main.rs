//! The entry point of the command; see `command.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    framewise_weaken::main(std::env::args().skip(1))
}
