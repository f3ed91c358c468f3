//! A minimal parser for command lines: flags, options with a value, and words.

use std::collections::VecDeque;
use std::fmt::Display;
use std::process;
use std::str::FromStr;

/// The part of a command line that is not parsed yet.
#[derive(Debug)]
pub struct Arguments(VecDeque<String>);

impl Arguments {
    /// Returns the arguments of this process. If `--help` is among them, prints `usage` and exits.
    pub fn of_process(usage: &str) -> Self {
        let arguments: VecDeque<_> = std::env::args().skip(1).collect();
        if arguments
            .iter()
            .any(|word| word == "--help" || word == "-h")
        {
            println!("{usage}");
            process::exit(0);
        }
        Self(arguments)
    }

    /// Removes a flag; returns `true` if it was present.
    pub fn flag(&mut self, name: &str) -> bool {
        let place = self.0.iter().position(|word| word == name);
        place.and_then(|place| self.0.remove(place)).is_some()
    }

    /// Removes an option and returns its value.
    pub fn option<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let place = self.0.iter().position(|word| word == name)?;
        self.0.remove(place);
        match self.0.remove(place).map(|value| value.parse()) {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => fail(&format!("{name}: {error}")),
            None => fail(&format!("{name} needs a value")),
        }
    }

    /// Removes and returns the next word.
    pub fn word(&mut self) -> Option<String> {
        self.0.pop_front()
    }

    /// Exits with an error message if an argument is left over.
    pub fn finish(self) {
        if let Some(word) = self.0.front() {
            fail(&format!("unknown argument {word:?}; see --help"));
        }
    }
}

/// Exits with an error message.
pub fn fail(message: &str) -> ! {
    eprintln!("{message}");
    process::exit(2);
}
