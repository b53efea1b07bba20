//! Settings that hold secrets, or name files that do.
//!
//! Promises: a problem says which file, and never what stands in it.

use super::Reader;
use super::form::Form;
use crate::values::secret::Secret;

/// A shorter key could be guessed.
const SHORTEST: usize = 32;

impl Reader<'_> {
    /// The secret in `key`, or in the file that `<key>_file` names.
    pub fn secret(&mut self, key: &str) -> Secret {
        let effect = self.effect;
        self.declare(key, Form::Secret);
        let value = Secret::new(self.raw(key));
        self.effect = effect;
        let Some(file) = self.file(&format!("{key}_file")) else {
            return value;
        };

        if !value.is_empty() {
            let problem = format!("{key} and {key}_file are both set: one of them");
            self.joint(&[key], problem);
        }

        match std::fs::read_to_string(&file) {
            Ok(text) => Secret::new(text.trim_end_matches(['\n', '\r'])),
            Err(error) => {
                self.problem(&format!("{key}_file"), format!("cannot read it: {error}"));
                self.bad.insert(key.to_owned());
                value
            }
        }
    }

    /// The key in the file that `key` names; `None` where it names none.
    pub fn key_file(&mut self, key: &str) -> Option<Secret> {
        let file = self.file(key)?;
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                self.problem(key, format!("cannot read it: {error}"));
                return None;
            }
        };

        let secret = text.trim();
        if secret.len() < SHORTEST {
            let problem = format!(
                "it holds less than {SHORTEST} characters, which could be guessed: `openssl rand -hex 32` makes a secret"
            );
            self.problem(key, problem);
            return None;
        }
        Some(Secret::new(secret))
    }
}
