//! The command.

use std::process::ExitCode;

fn main() -> ExitCode {
    framewise_weaken::main(std::env::args().skip(1))
}
