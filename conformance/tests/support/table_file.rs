//! The files of the package that hold results.

use std::path::Path;
use std::{env, fs};

use framewise_conformance::Table;

/// If this variable is set, the tests write the files instead of comparing them.
const WRITE: &str = "FRAMEWISE_WRITE_TABLE";

/// The number of differing lines that are shown per side.
const LINES_SHOWN: usize = 20;

/// Asserts that `file` holds `table`, which is what the test program `test` has found.
pub(crate) fn assert_written(file: &str, test: &str, table: &Table) {
    let table = table.to_string();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os(WRITE).is_some() {
        fs::write(&path, table).expect("the package's directory can be written");
        return;
    }
    let written = fs::read_to_string(&path).expect("the file is in the package");
    let only_in = |one: &str, other: &str| -> String {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|o| o == *line));
        lines
            .take(LINES_SHOWN)
            .map(|line| format!("  {line}\n"))
            .collect()
    };
    assert!(
        written == table,
        "{file} is not what the suite finds now. Only in the file:\n{}Only found:\n{}\
         To write what was found: {WRITE}=1 cargo test -p framewise-conformance --test {test}",
        only_in(&written, &table),
        only_in(&table, &written),
    );
}
