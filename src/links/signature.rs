//! What makes a link ours: a picture's name, and until when it opens, signed with HMAC-SHA-256.
//!
//! Promises: a signature is compared in the same time whatever is shown, and opens one picture until one moment. Deliberately keeps no list of
//! links: what is signed is all that is known of one.

use ring::hmac;

use boxbridge_event::{PictureName, Sequence, Timestamp};

pub struct Signer {
    key: hmac::Key,
}

/// A link that opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The record that it was made for, in the log of the gateway that made it.
    pub record: Option<Sequence>,
    /// How long it goes on opening.
    pub seconds_left: u64,
}

/// Why a link does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// Not made here, or changed since.
    Wrong,
    /// It was right until this moment.
    Over(Timestamp),
}

impl Signer {
    pub fn new(secret: &[u8]) -> Signer {
        Signer {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    /// Puts what stands behind the `?` of a link that opens until then at the end of `link`.
    pub fn sign(&self, link: &mut String, name: &str, until: Timestamp, record: Option<Sequence>) {
        let until = until.0 / 1_000;
        let record = record.map_or_else(String::new, |record| record.0.to_string());
        let signature = hmac::sign(
            &self.key,
            message(&until.to_string(), &record, name).as_bytes(),
        );

        link.push_str(&format!("?until={until}&record={record}&signature="));
        base64_simd::URL_SAFE_NO_PAD.encode_append(signature.as_ref(), link);
    }

    /// Whether a link to this picture with these words behind its `?` opens now.
    pub fn open(
        &self,
        name: &PictureName,
        query: &str,
        now: Timestamp,
    ) -> Result<Opened, NotOpened> {
        let [until, record, signature] =
            ["until", "record", "signature"].map(|key| word(query, key));
        let signature = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature);
        let signed = message(until, record, name.as_str());
        let signature = signature.map_err(|_| NotOpened::Wrong)?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).map_err(|_| NotOpened::Wrong)?;

        // Signed by us, so they are numbers.
        let until: i64 = until.parse().map_err(|_| NotOpened::Wrong)?;
        let left = until.saturating_sub(now.0 / 1_000);
        match u64::try_from(left) {
            Ok(seconds_left) if seconds_left > 0 => Ok(Opened {
                record: record.parse().ok().map(Sequence),
                seconds_left,
            }),
            _ => Err(NotOpened::Over(Timestamp(until.saturating_mul(1_000)))),
        }
    }
}

/// What is signed. None of the parts has a blank in it.
fn message(until: &str, record: &str, name: &str) -> String {
    format!("{until} {record} {name}")
}

/// The value of a key; empty where it is not there.
fn word<'q>(query: &'q str, key: &str) -> &'q str {
    let mut words = query.split('&').filter_map(|word| word.split_once('='));
    words
        .find(|(is, _)| *is == key)
        .map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    fn name(digit: char) -> PictureName {
        let sha = digit.to_string().repeat(64);
        PictureName::at_end_of(&format!("scene/2026/11/22/{sha}.jpg")).unwrap()
    }

    fn query(signer: &Signer, name: &PictureName, record: Option<Sequence>) -> String {
        let mut link = String::new();
        signer.sign(
            &mut link,
            name.as_str(),
            NOW.plus(std::time::Duration::from_secs(60)),
            record,
        );
        link.strip_prefix('?').unwrap().to_owned()
    }

    #[test]
    fn a_link_opens_its_picture_until_its_moment() {
        let signer = Signer::new(b"secret");
        for record in [None, Some(Sequence(17))] {
            let query = query(&signer, &name('a'), record);
            let seconds_left = 60;
            let opened = Opened {
                record,
                seconds_left,
            };
            assert_eq!(signer.open(&name('a'), &query, NOW), Ok(opened));
            let end = Timestamp(NOW.0 + 60_000);
            assert_eq!(
                signer.open(&name('a'), &query, end),
                Err(NotOpened::Over(end))
            );
        }
    }

    #[test]
    fn nothing_of_a_link_can_be_changed() {
        let signer = Signer::new(b"secret");
        let query = query(&signer, &name('a'), Some(Sequence(17)));
        let until = NOW.0 / 1_000 + 60;
        for changed in [
            query.replace(&until.to_string(), &(until + 1).to_string()),
            query.replace("record=17", "record=18"),
            query.replace("record=17", "record="),
            query.replace("record=17&", ""),
            query.replace("signature=", "signature=A"),
            query.get(..query.len() - 1).unwrap().to_owned(),
            query.replace("signature=", "sig="),
            String::new(),
        ] {
            let opened = signer.open(&name('a'), &changed, NOW);
            assert_eq!(opened, Err(NotOpened::Wrong), "{changed}");
        }

        let other = signer.open(&name('b'), &query, NOW);
        assert_eq!(other, Err(NotOpened::Wrong), "another picture");
        let other = Signer::new(b"another").open(&name('a'), &query, NOW);
        assert_eq!(other, Err(NotOpened::Wrong), "another secret");
    }
}
