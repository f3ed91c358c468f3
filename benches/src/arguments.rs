//! Command lines: flags, options with a value, and words.

use std::collections::VecDeque;
use std::fmt::Display;
use std::process;
use std::str::FromStr;

/// What is left of a command line.
#[derive(Debug)]
pub struct Arguments(VecDeque<String>);

impl Arguments {
    /// The process's own. Prints `usage` and ends the process where `--help` is among them.
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

    /// Takes a flag out; whether it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let place = self.0.iter().position(|word| word == name);
        place.and_then(|place| self.0.remove(place)).is_some()
    }

    /// Takes an option out, with its value.
    pub fn option<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let place = self.0.iter().position(|word| word == name)?;
        self.0.remove(place);
        match self.0.remove(place).map(|value| value.parse()) {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => fail(&format!("{name}: {error}")),
            None => fail(&format!("{name} needs a value")),
        }
    }

    /// Takes the next word.
    pub fn word(&mut self) -> Option<String> {
        self.0.pop_front()
    }

    /// Ends the process with a message where something is left that nobody took.
    pub fn finish(self) {
        if let Some(word) = self.0.front() {
            fail(&format!("what is {word:?}? See --help"));
        }
    }
}

/// Ends the process with a message.
pub fn fail(message: &str) -> ! {
    eprintln!("{message}");
    process::exit(2);
}
