//! The settings for seeds in the environment's variables.

/// The settings that the environment's variables have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Environment {
    /// `FRAMEWISE_SEED`: the only seed to run.
    pub(super) seed: Option<u64>,
    /// `FRAMEWISE_SEEDS`: the number of seeds to run.
    pub(super) seeds: Option<u64>,
}

impl Environment {
    /// Returns the settings in the process's environment.
    ///
    /// # Panics
    ///
    /// Panics if a variable is no number: a test that silently ran under other seeds would show
    /// nothing.
    #[track_caller]
    pub(super) fn of_process() -> Self {
        match Self::of(|name| std::env::var_os(name).map(|value| value.display().to_string())) {
            Ok(environment) => environment,
            Err(message) => panic!("{message}"),
        }
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| match variable(name) {
            Some(text) => parse(&text)
                .map(Some)
                .ok_or_else(|| format!("{name} is `{text}`, which is no number below 2^64")),
            None => Ok(None),
        };
        let seeds = number("FRAMEWISE_SEEDS")?;
        if seeds == Some(0) {
            return Err("FRAMEWISE_SEEDS is 0, under which no test could fail".to_owned());
        }
        Ok(Self {
            seed: number("FRAMEWISE_SEED")?,
            seeds,
        })
    }
}

/// Reads a number, decimal or (with `0x`) hexadecimal.
fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    fn of(variables: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::of(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(of(&[]), Ok(Environment::default()));
        let both = of(&[("FRAMEWISE_SEED", "0xff"), ("FRAMEWISE_SEEDS", " 1000 ")]);
        let expected = Environment {
            seed: Some(255),
            seeds: Some(1000),
        };
        assert_eq!(both, Ok(expected));
    }

    #[test]
    fn what_is_no_number_is_told() {
        for text in ["", "ten", "-1", "0xg", "18446744073709551616"] {
            let message = of(&[("FRAMEWISE_SEED", text)]).unwrap_err();
            assert!(message.contains("FRAMEWISE_SEED"), "{message}");
            assert!(of(&[("FRAMEWISE_SEEDS", text)]).is_err(), "{text}");
        }
        let none = of(&[("FRAMEWISE_SEEDS", "0")]).unwrap_err();
        assert!(none.contains("no test could fail"), "{none}");
        assert!(
            of(&[("FRAMEWISE_SEED", "0")]).is_ok(),
            "a seed like any other"
        );
    }
}
