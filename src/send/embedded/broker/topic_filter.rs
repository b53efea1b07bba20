//! Topic filters of subscribers: which of them are legal, and which topics they match (MQTT 5, 4.7).

/// Why a filter is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Invalid,
    /// A shared subscription: we have none, and say so rather than grant one that gets nothing.
    Shared,
}

pub(super) fn check(filter: &str) -> Result<(), Fault> {
    if filter == "$share" || filter.starts_with("$share/") {
        return Err(Fault::Shared);
    }
    if filter.is_empty() || filter.contains('\0') {
        return Err(Fault::Invalid);
    }

    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let is_alone = level.len() == 1;
        let hash_is_last = !level.contains('#') || (is_alone && levels.peek().is_none());
        let plus_is_alone = !level.contains('+') || is_alone;
        if !hash_is_last || !plus_is_alone {
            return Err(Fault::Invalid);
        }
    }
    Ok(())
}

/// For a legal filter.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    // A topic that begins with `$` is the broker's own: no wildcard matches it.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }

    let (mut wanted, mut levels) = (filter.split('/'), topic.split('/'));
    loop {
        match (wanted.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_the_standard_says() {
        let cases = [
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("a/+/c", "a/$x/c", true),
            ("+/+", "/a", true),
            ("/+", "/a", true),
            ("+", "/a", false),
            ("a/b", "a/b", true),
            ("a/B", "a/b", false),
            ("a//b", "a//b", true),
            ("东门/+", "东门/1", true),
        ];

        for (filter, topic, expected) in cases {
            assert_eq!(matches(filter, topic), expected, "{filter} on {topic}");
            assert_eq!(check(filter), Ok(()), "{filter}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_and_a_shared_subscription_by_its_name() {
        for filter in ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "a\0"] {
            assert_eq!(check(filter), Err(Fault::Invalid), "{filter:?}");
        }
        for filter in ["$share/group/a", "$share//a", "$share"] {
            assert_eq!(check(filter), Err(Fault::Shared), "{filter:?}");
        }
    }
}
