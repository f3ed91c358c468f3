//! The mode `code` on a crate of one file: mutants that a test detects, that hang, and that
//! survive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MANIFEST: &str = "[package]\nname = \"fixture\"\nedition = \"2024\"\n[workspace]\n";
const ROOT: &str = "pub mod stack;\n";
const PLAN: &str = "suite unit -: --lib\nchoice src/lib.rs\nsource src/stack.rs: fixture\n";

/// The test does not check the order in which the items come out.
const STACK: &str = r#"
pub struct Stack(Vec<u8>);

impl Stack {
    pub fn pair(first: u8, second: u8) -> Self {
        let mut stack = Self(Vec::new());
        stack.0.push(first);
        stack.0.push(second);
        stack
    }

    pub fn sum(&mut self) -> u8 {
        let mut sum = 0;
        // Unnoticed: negated, because this is argued, and the argument is wrong.
        while !self.0.is_empty() {
            sum = self.0[self.0.len() - 1].wrapping_add(sum);
            self.0.truncate(self.0.len() - 1);
        }
        if self.0.capacity() > 64 {
            // Unnoticed: skipped, because it gives memory back and nothing else.
            self.0.shrink_to_fit();
        }
        sum
    }

    pub fn unused(&self) -> bool {
        self.0.is_empty()
    }
}

#[test]
fn two_items_are_added() {
    assert_eq!(Stack::pair(1, 2).sum(), 3);
}
"#;

struct Fixture(PathBuf);

impl Fixture {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("src")).expect("the directory belongs to this test");
        let fixture = Self(root);
        for (path, text) in [
            ("Cargo.toml", MANIFEST),
            (".gitignore", "target\n"),
            ("src/lib.rs", ROOT),
            ("src/stack.rs", STACK),
            ("plan.txt", PLAN),
        ] {
            fixture.write(path, text);
        }
        let git = Command::new("git")
            .args(["init", "--quiet"])
            .current_dir(&fixture.0)
            .status();
        assert!(git.expect("git is installed").success());
        fixture
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.0.join(path), text).expect("the directory belongs to this test");
    }

    fn table(&self) -> String {
        fs::read_to_string(self.0.join("table.md")).unwrap_or_default()
    }

    /// Runs the command; returns `true` if it succeeded, and its output.
    fn run(&self, options: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_framewise-weaken"))
            .args([
                "code", "--plan", "plan.txt", "--table", "table.md", "--limit", "5",
            ])
            .args(options)
            .current_dir(&self.0)
            .output()
            .expect("the command was built");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), printed)
    }
}

#[test]
fn killed_and_surviving_mutants_are_reported() {
    let fixture = Fixture::new("code-run");
    let (is_in_order, printed) = fixture.run(&[]);
    assert!(!is_in_order);
    let table = fixture.table();
    for row in [
        "| Stack::pair | skipped | `` stack.0.push(first); `` | killed by `unit fixture::stack::two_items_are_added` |",
        "| Stack::pair | moved behind the next | `` stack.0.push(first); `` | **survives** 1 tests |",
        "| Stack::sum | skipped | `` self.0.truncate(self.0.len() - 1); `` | hangs in `unit fixture::stack::two_items_are_added` |",
        "| Stack::unused | returns true | `` self.0.is_empty() `` | **survives** 0 tests |",
    ] {
        assert!(table.contains(row), "{row}\n{table}\n{printed}");
    }
    let argued = "| Stack::sum | skipped | `` self.0.shrink_to_fit(); `` | argued: it gives memory back and nothing else |";
    assert!(table.contains(argued), "{table}");
    for problem in [
        "src/stack.rs:7: Stack::pair: moved behind the next `stack.0.push(first);`: survives 1 tests",
        "src/stack.rs:27: Stack::unused: returns true `self.0.is_empty()`: no test reaches it",
        "src/stack.rs:14: this `Unnoticed:` argument matches no survivor: negated",
    ] {
        assert!(printed.contains(problem), "{problem}\n{printed}");
    }

    // `--check` reports the same from the table.
    let (_, again) = fixture.run(&["--check"]);
    assert_eq!(again, printed);
    // `--check` reports a changed mutant as missing, and `--stale` runs only that one.
    fixture.write("src/stack.rs", &STACK.replace("64", "65"));
    let (_, changed) = fixture.run(&["--check"]);
    let missed = "`self.0.capacity() > 65`: has not run, and has no row in the table";
    assert!(changed.contains(missed), "{changed}");
    fixture.run(&["--stale"]);
    let table = table.replace("> 64", "> 65").replace(">= 64", ">= 65");
    assert_eq!(fixture.table(), table);
    // It also reruns mutants that did not compile before.
    let killed = "killed by `unit fixture::stack::two_items_are_added`";
    let rejected = table.replacen(killed, "does not compile", 1);
    assert_ne!(rejected, table);
    fixture.write("table.md", &rejected);
    fixture.run(&["--stale"]);
    assert_eq!(fixture.table(), table);
}
