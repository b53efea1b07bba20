//! What is checked in is what the program prints; `UPDATE=1` takes over what it prints now.

use std::collections::BTreeSet;

use super::{CONTRACTS, folder, printed};

#[test]
fn the_contracts_in_the_repository_are_those_that_the_program_prints() {
    let is_update = std::env::var_os("UPDATE").is_some();
    for (which, file) in CONTRACTS {
        let (path, printed) = (folder().join(file), printed(which, &[]));
        if is_update {
            std::fs::write(&path, &printed).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == printed,
            "docs/contract/{file} is not what `boxbridge schema {which}` prints: \
             UPDATE=1 cargo test --test promises contracts_in_the_repository takes it over"
        );
    }
}

#[test]
fn every_contract_is_checked_in_and_nothing_else() {
    let mut listed: BTreeSet<String> = CONTRACTS.map(|(_, file)| file.to_owned()).into();
    listed.insert("README.md".to_owned());
    let there = std::fs::read_dir(folder()).unwrap();
    let there = there.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), listed);

    let help = std::process::Command::new(env!("CARGO_BIN_EXE_boxbridge"))
        .args(["schema", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split("Commands:").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap().lines();
    let words = commands.filter_map(|line| line.split_whitespace().next());
    let said: BTreeSet<_> = words.filter(|word| *word != "help").collect();
    assert_eq!(said, CONTRACTS.map(|(which, _)| which).into());
}
