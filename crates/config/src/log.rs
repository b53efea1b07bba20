//! `[log]`: how the program speaks on standard error.

use crate::reader::Reader;
use crate::reader::form::Form;

#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    /// A `tracing` filter.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Human,
    Json,
}

impl Log {
    pub(crate) fn read(read: &mut Reader) -> Log {
        Log {
            format: read.by_restart("the log is opened in one form").word(
                "log.format",
                &[
                    ("auto", LogFormat::Auto),
                    ("human", LogFormat::Human),
                    ("json", LogFormat::Json),
                ],
            ),
            level: read
                .live()
                .parsed("log.level", Form::Text, "info".to_owned(), level),
        }
    }
}

const WORDS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

fn is_word(text: &str) -> bool {
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// One of the five words, or a filter that names modules. `tracing` would take any other word for a module and silence the rest.
fn level(text: &str) -> Result<String, String> {
    let parts: Vec<_> = text.split(',').map(str::trim).collect();

    let is_good = |part: &str| match part.rsplit_once('=') {
        Some((module, word)) => {
            !module.is_empty() && (is_word(word) || word.eq_ignore_ascii_case("off"))
        }
        None => is_word(part),
    };
    if let Some(bad) = parts.iter().find(|part| !is_good(part)) {
        let hint = nearest(bad).map_or_else(String::new, |near| format!("; did you mean {near}"));
        let words = WORDS.join(" | ");
        return Err(format!(
            "must be {words}, or a filter that names modules, such as info,boxbridge::send=debug{hint}"
        ));
    }

    let filter = parts.join(",");
    match filter.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(filter),
        Err(error) => Err(format!("is no filter: {error}")),
    }
}

/// The word that was probably meant: shortened, lengthened, or one letter off.
fn nearest(part: &str) -> Option<&'static str> {
    let word = part
        .rsplit('=')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();

    let begins = WORDS
        .into_iter()
        .find(|known| word.len() > 2 && (word.starts_with(known) || known.starts_with(&word)));
    begins.or_else(|| {
        WORDS
            .into_iter()
            .find(|known| strsim::osa_distance(known, &word) == 1)
    })
}
