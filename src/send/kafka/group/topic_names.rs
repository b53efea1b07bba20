//! The names of topics that differ only in the site: what is written before, between and behind it.
//!
//! Promises: what the pattern means to librdkafka, [`TopicNames::mean`] means.

/// As in `site` of the settings.
const SITE_MAX: usize = 32;
const SITE: &str = "[a-z0-9-]{1,32}";

/// One piece is one name; between two of them stands a site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicNames(pub Vec<String>);

impl TopicNames {
    /// A name, or a regular expression, which begins with `^`.
    pub(super) fn pattern(&self) -> String {
        match self.0.as_slice() {
            [name] => name.clone(),
            pieces => {
                let pieces: Vec<_> = pieces
                    .iter()
                    .map(|piece| piece.replace('.', "\\."))
                    .collect();
                format!("^{}$", pieces.join(SITE))
            }
        }
    }

    pub(super) fn mean(&self, topic: &str) -> bool {
        fits(&self.0, topic)
    }
}

fn fits(pieces: &[String], text: &str) -> bool {
    let Some((first, behind)) = pieces.split_first() else {
        return false;
    };
    let Some(rest) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    if behind.is_empty() {
        return rest.is_empty();
    }

    let is_of_site = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    let longest = rest.chars().take_while(is_of_site).count().min(SITE_MAX);
    (1..=longest).any(|length| rest.get(length..).is_some_and(|rest| fits(behind, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_stands_between_two_pieces_and_nothing_else_does() {
        let names =
            |pieces: &[&str]| TopicNames(pieces.iter().map(|it| (*it).to_owned()).collect());
        let one = names(&["boxbridge.vip"]);
        assert_eq!(one.pattern(), "boxbridge.vip");
        assert!(one.mean("boxbridge.vip") && !one.mean("boxbridge.vips") && !one.mean("boxbridge"));

        let of_sites = names(&["x.", ".vip"]);
        assert_eq!(of_sites.pattern(), "^x\\.[a-z0-9-]{1,32}\\.vip$");
        assert!(of_sites.mean("x.lobby-2.vip"));
        for other in [
            "x..vip",
            "x.lobby.vips",
            "x.Lobby.vip",
            "x.a.b.vip",
            "y.lobby.vip",
        ] {
            assert!(!of_sites.mean(other), "{other}");
        }
        assert!(names(&["", "-", ""]).mean("a-b-c"));
    }
}
