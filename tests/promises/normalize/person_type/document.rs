//! Documents put together from pieces whose meaning is known: what may come of one is told without reading it.

use PersonType::{Blacklist, Employee, Stranger, Vip, Visitor};
use Says::{Nonsense, Nothing, Type};
use boxbridge_event::PersonType;
use proptest::prelude::*;

/// What a spelling says of a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Says {
    Type(PersonType),
    /// The vendor's rule: an employee, if nothing else was sent.
    Nothing,
    Nonsense,
}

const VALUES: &[(&[u8], Says)] = &[
    (b"1", Type(Employee)),
    (b"2", Type(Visitor)),
    (b" 3 ", Type(Blacklist)),
    (b"4", Type(Stranger)),
    (b"5", Type(Vip)),
    (b"\"1\"", Type(Employee)),
    (b"\"\\u0033\"", Type(Blacklist)),
    (b"\"employee\"", Type(Employee)),
    (b"\"Blacklist\"", Type(Blacklist)),
    (b"\"VIP\"", Type(Vip)),
    (b"1.0", Type(Employee)),
    (b"1e0", Type(Employee)),
    (b"30E-1", Type(Blacklist)),
    (b"0.01e+2", Type(Employee)),
    (b"null", Nothing),
    (b"\"\"", Nothing),
    (b"0", Nonsense),
    (b"-1", Nonsense),
    (b"6", Nonsense),
    (b"10", Nonsense),
    (b"1.5", Nonsense),
    (b"1e1", Nonsense),
    (b"1e-1", Nonsense),
    (b"1e999", Nonsense),
    (b"1e99999999999999999999", Nonsense),
    (b"0.99999999999999999999", Nonsense),
    (b"1.00000000000000000001", Nonsense),
    (b"18446744073709551617", Nonsense),
    (b"NaN", Nonsense),
    (b"-Infinity", Nonsense),
    (b"true", Nonsense),
    (b"[]", Nonsense),
    (b"[1]", Nonsense),
    (b"{}", Nonsense),
    (b"{\"person_type\":1}", Nonsense),
    (b"\" \"", Nonsense),
    (b"\"+1\"", Nonsense),
    (b"\"01\"", Nonsense),
    (b"\"null\"", Nonsense),
    (b"\"[1]\"", Nonsense),
    (b"\"\\\"1\\\"\"", Nonsense),
    (b"\"{\\\"person_type\\\":1}\"", Nonsense),
    (b"\"\xef\xbc\x91\"", Nonsense),
    (b"\"blac\xe2\x84\xaalist\"", Nonsense),
    (b"\"employee\\u0000\"", Nonsense),
    (b"\"\\ud8001\"", Nonsense),
    (b"\"\xb9\xcd\xd4\xb1\"", Nonsense),
    (b"\"\xff1\"", Nonsense),
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key {
    Exact,
    /// What may have been meant for it.
    Near,
    Other,
}

const KEYS: &[(&[u8], Key)] = &[
    (b"person_type", Key::Exact),
    (b"person_type", Key::Exact),
    (b"person\\u005ftype", Key::Exact),
    (b"\\u0070erson_type", Key::Exact),
    (b"Person_Type", Key::Near),
    (b"PERSON_TYPE", Key::Near),
    (b"personType", Key::Near),
    (b"person_type ", Key::Near),
    (b"\xef\xbb\xbfperson_type", Key::Near),
    (b"person_type\\u0000", Key::Near),
    (b"user_type", Key::Near),
    (b"person_typ\xe9", Key::Near),
    (b"person_type\xff", Key::Near),
    (b"person_type\\ud800", Key::Near),
    (b"identity_type", Key::Other),
];

const INNER_KEYS: &[(&[u8], Key)] = &[
    (b"ext_data", Key::Exact),
    (b"ext_data", Key::Exact),
    (b"ext_data", Key::Exact),
    (b"ext\\u005fdata", Key::Exact),
    (b"Ext_Data", Key::Near),
    (b"\xef\xbb\xbfext_data", Key::Near),
    (b"ext_dat\xe1", Key::Near),
];

/// What stands instead of an inner object, and whether it may have been one.
const INSTEAD: &[(&[u8], bool)] = &[
    (b"null", false),
    (b"0", false),
    (b"true", false),
    (b"\"\"", false),
    (b"[]", true),
    (b"[{\"person_type\":1}]", true),
    (b"\"{\\\"person_type\\\":1\"", true),
    (b"\"person_type=1\"", true),
];

/// Before and behind a document.
const AROUND: &[(&[u8], &[u8])] = &[
    (b"", b""),
    (b"\xef\xbb\xbf ", b"\r\n"),
    (b"[", b"]"),
    (b"[", b",]"),
    (b"[0,", b"]"),
];

const NAMES: &[&[u8]] = &[
    b"\"\xe5\xb0\x8f\"",
    b"\"\xd0\xa1\xc3\xf7\"",
    b"\"\xb3\x5c\"",
    b"\"\\ud800\"",
    b"null",
];

const SCORES: &[&[u8]] = &[b"0.5", b"NaN", b"1e999"];

pub type Member = ((&'static [u8], Key), (&'static [u8], Says));

#[derive(Clone, Debug)]
pub enum Inner {
    Object {
        members: Vec<Member>,
        below: bool,
        encoded: usize,
    },
    Instead((&'static [u8], bool)),
}

#[derive(Clone, Debug)]
pub struct Document {
    inners: Vec<((&'static [u8], Key), Inner)>,
    top: Option<Member>,
    before: &'static [u8],
    behind: &'static [u8],
    name: &'static [u8],
    score: &'static [u8],
    comma: bool,
    cut: Option<prop::sample::Index>,
}

pub fn member() -> impl Strategy<Value = Member> {
    (prop::sample::select(KEYS), prop::sample::select(VALUES))
}

fn inner() -> impl Strategy<Value = Inner> {
    let members = prop_oneof![3 => prop::collection::vec(member(), 1..2), 2 => prop::collection::vec(member(), 0..4)];
    prop_oneof![
        6 => (members, prop::bool::weighted(0.1), prop_oneof![4 => Just(0_usize), 1 => 1..4_usize])
            .prop_map(|(members, below, encoded)| Inner::Object { members, below, encoded }),
        1 => prop::sample::select(INSTEAD).prop_map(Inner::Instead),
    ]
}

pub fn document() -> impl Strategy<Value = Document> {
    let inners = |count| prop::collection::vec((prop::sample::select(INNER_KEYS), inner()), count);
    (
        prop_oneof![3 => inners(1..2), 1 => inners(0..4)],
        prop_oneof![5 => Just(None), 1 => member().prop_map(Some)],
        prop::sample::select(AROUND),
        prop::sample::select(NAMES),
        prop::sample::select(SCORES),
        prop::bool::weighted(0.2),
        prop_oneof![6 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
    )
        .prop_map(
            |(inners, top, (before, behind), name, score, comma, cut)| Document {
                inners,
                top,
                before,
                behind,
                name,
                score,
                comma,
                cut,
            },
        )
}

fn put((key, value): (&[u8], &[u8]), body: &mut Vec<u8>) {
    body.extend([b"\"", key, b"\":", value, b","].concat());
}

fn in_a_text(json: &[u8]) -> Vec<u8> {
    let escaped = json.iter().flat_map(|byte| {
        [&b"\\"[..], &[*byte]]
            .concat()
            .split_off(usize::from(!matches!(byte, b'"' | b'\\')))
    });
    [b"\"", &escaped.collect::<Vec<_>>()[..], b"\""].concat()
}

impl Inner {
    fn written(&self) -> Vec<u8> {
        match self {
            Inner::Instead((value, _)) => value.to_vec(),
            Inner::Object {
                members,
                below,
                encoded,
            } => {
                let mut object = b"{".to_vec();
                members
                    .iter()
                    .for_each(|((key, _), (value, _))| put((key, value), &mut object));
                if *below {
                    put(
                        (b"box_fiqa_info", b"{\"x\":[{\"person_type\":3}]}"),
                        &mut object,
                    );
                }
                object.extend(b"\"device_ip\":\"10.0.0.1\"}");
                (0..*encoded).fold(object, |object, _| in_a_text(&object))
            }
        }
    }

    fn is_object(&self) -> bool {
        matches!(self, Inner::Object { encoded: 0..=2, .. })
    }

    fn says(&self) -> Vec<Says> {
        match self {
            Inner::Instead((_, may_be_one)) => Vec::from_iter(may_be_one.then_some(Nonsense)),
            Inner::Object { members, .. } if self.is_object() => {
                let sent = members
                    .iter()
                    .filter(|((_, key), _)| *key == Key::Exact)
                    .map(|(_, (_, says))| *says);
                let sent: Vec<_> = sent.collect();
                if sent.is_empty() { vec![Nothing] } else { sent }
            }
            Inner::Object { .. } => vec![Nonsense],
        }
    }

    fn has_another(&self) -> bool {
        match self {
            Inner::Object { members, below, .. } => {
                *below || members.iter().any(|((_, key), _)| *key == Key::Near)
            }
            Inner::Instead(_) => false,
        }
    }
}

impl Document {
    pub fn written(&self) -> Vec<u8> {
        let mut body = [self.before, b"{"].concat();
        put((b"identity_id", b"\"7\""), &mut body);
        put((b"identity_name", self.name), &mut body);
        put((b"timestamp", b"1566016554020"), &mut body);
        self.top
            .iter()
            .for_each(|((key, _), (value, _))| put((key, value), &mut body));
        self.inners
            .iter()
            .for_each(|((key, _), inner)| put((key, &inner.written()), &mut body));

        let end = if self.comma { &b",}"[..] } else { b"}" };
        body.extend([b"\"score\":", self.score, end, self.behind].concat());
        if let Some(cut) = self.cut {
            let end = body.trim_ascii_end().len();
            body.truncate(cut.index(end));
        }
        body
    }

    /// The one type that it may become beside `unknown`, and whether it must.
    pub fn may_become(&self) -> Option<(PersonType, bool)> {
        let inners: Vec<_> = self
            .inners
            .iter()
            .filter(|((_, key), _)| *key == Key::Exact)
            .map(|(_, inner)| inner)
            .collect();
        if self.cut.is_some() || !inners.last()?.is_object() {
            return None;
        }

        let says: Vec<_> = inners.iter().flat_map(|inner| inner.says()).collect();
        let first = *says.first()?;
        if says.iter().any(|other| *other != first) {
            return None;
        }

        // Nobody can read a text in two encodings at once, and beside a name in another one even UTF-8 has no sure meaning.
        let is_mixed = std::str::from_utf8(self.name).is_err()
            && self
                .inners
                .iter()
                .any(|(_, inner)| !inner.written().is_ascii());
        let is_plain = self.inners.len() == 1 && says.len() == 1 && !is_mixed;
        match first {
            Type(person_type) => Some((person_type, is_plain)),
            Nonsense => None,
            Nothing => {
                let has_another = self
                    .inners
                    .iter()
                    .any(|((_, key), inner)| *key == Key::Near || inner.has_another());
                let is_alone = inners.len() == 1
                    && !has_another
                    && self.top.is_none_or(|((_, key), _)| key == Key::Other);
                is_alone.then_some((Employee, false))
            }
        }
    }
}

/// A flat document of these members, and what may become of it.
pub fn flat(members: &[Member], encoded: usize) -> (Vec<u8>, Option<PersonType>) {
    let mut body = b"{\"identity_id\":\"7\",\"timestamp\":1566016554020,".to_vec();
    members
        .iter()
        .for_each(|((key, _), (value, _))| put((key, value), &mut body));
    let device = (0..encoded).fold(
        b"{\"ep_ip\":\"10.0.0.1\",\"person_type\":1}".to_vec(),
        |device, _| in_a_text(&device),
    );
    body.extend([b"\"ep_info\":", &device[..], b"}"].concat());

    let sent = members
        .iter()
        .filter(|((_, key), _)| *key == Key::Exact)
        .map(|(_, (_, says))| *says);
    let sent: Vec<_> = sent.collect();
    let may_become = match sent.first() {
        Some(Type(person_type)) if sent.iter().all(|says| *says == Type(*person_type)) => {
            Some(*person_type)
        }
        _ => None,
    };
    (body, may_become)
}
