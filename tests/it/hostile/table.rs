//! The table of calls into code of the user's, in `ARCHITECTURE.md`: it names these tests, and all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of the tests that the table gives, in the last column of each row.
fn in_the_table() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("## Calls into code of the user's").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut names = BTreeSet::new();
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(!tests.is_empty(), "a row without a test: {row}");
        names.extend(tests);
    }
    names
}

/// The tests of the folder, but for those of the table itself.
fn in_the_folder() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/hostile");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if module == "table" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut is_test = false;
        for line in text.lines() {
            if is_test {
                let name = line.trim_start_matches("async ").trim_start_matches("fn ");
                names.insert(format!("{module}::{}", name.split('(').next().unwrap()));
            }
            is_test = line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        }
    }
    names
}

#[test]
fn the_table_of_the_architecture_names_every_test() {
    assert_eq!(in_the_table(), in_the_folder());
}
