//! The validators that readers of a contract use find nothing wrong with it.

use std::path::PathBuf;
use std::process::Command;

use super::{CONTRACTS, folder, judge, printed, succeeds};
use crate::parts::child::installed;

#[test]
fn ajv_takes_every_schema_in_its_strict_mode() {
    let files = CONTRACTS.map(|(_, file)| file);
    let schemas = files.iter().filter(|file| file.ends_with(".schema.json"));
    let schemas: Vec<PathBuf> = schemas.map(|file| folder().join(file)).collect();
    assert!(schemas.len() > 4);
    judge(&schemas);
}

#[test]
fn the_openapi_validator_takes_both_listeners_with_any_paths() {
    let written = tempfile::tempdir().unwrap();
    let other = written.path().join("openapi.json");
    let settings = ["ingest.realtime_paths=/a/b,/c", "ingest.listen=[::]:80"];
    let text = printed("openapi", &settings);
    assert!(text.contains("\"/a/b\"") && text.contains("http://[::]:80"));
    std::fs::write(&other, text).unwrap();

    for file in [folder().join("openapi.json"), other] {
        let mut validator = Command::new("python3");
        validator
            .args(["-m", "openapi_spec_validator"])
            .arg(&file)
            .env("PYTHONPATH", installed("openapi-spec-validator-0.9.0"));
        succeeds(&mut validator);
    }
}
