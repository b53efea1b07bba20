//! Splits an array that the strict reading refused: each element is then repaired alone, and one odd element costs the others nothing.
//!
//! Promises: linear time; the limits of an array hold. In a sound array it finds the same elements as a parser of the decoded text, because
//! it steps over strings by character. Deliberately looks at strings, brackets and commas only: the reading of an element says what it is.

use crate::normalize::Limits;
use boxbridge_event::{Charset, Code, Refusal};

pub(in crate::normalize) struct Array<'b> {
    pub elements: Vec<&'b [u8]>,
    /// A comma stood behind the last one.
    pub has_comma: bool,
    /// Strings stand where strings may stand: it was read as it was written.
    pub is_sound: bool,
}

/// The array that `body` is, read in this encoding; `None` if it is not one array and nothing else.
pub(in crate::normalize) fn split<'b>(
    body: &'b [u8],
    charset: Charset,
    limits: &Limits,
) -> Result<Option<Array<'b>>, Refusal> {
    let mut split = Split {
        body,
        limits,
        elements: Vec::new(),
        start: 1,
        depth: 0,
        is_sound: true,
    };
    let mut at = 0;

    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => {
                let Some(end) = string_end(body, charset, at + 1) else {
                    return Ok(None);
                };
                split.is_sound &= may_stand(body, at, end);
                at = end;
            }
            b'{' | b'[' => split.open(at)?,
            b'}' | b']' => split.depth = split.depth.saturating_sub(1),
            b',' if split.depth == 1 => split.end_element(at)?,
            _ => {}
        }

        if split.depth == 0 {
            split.end_element(at)?;
            break;
        }
        at += 1;
    }

    if at + 1 != body.len() || !body.ends_with(b"]") {
        return Ok(None);
    }
    split.array().map(Some)
}

/// An array that is being split.
struct Split<'b, 'l> {
    body: &'b [u8],
    limits: &'l Limits,
    elements: Vec<&'b [u8]>,
    /// Where the next element starts.
    start: usize,
    depth: usize,
    is_sound: bool,
}

impl<'b> Split<'b, '_> {
    fn open(&mut self, at: usize) -> Result<(), Refusal> {
        self.depth += 1;
        if self.depth <= self.limits.depth_max {
            return Ok(());
        }
        let message = format!("nested over {} deep at byte {at}", self.limits.depth_max);
        Err(Refusal::new(Code::JsonTooDeep, message))
    }

    fn end_element(&mut self, at: usize) -> Result<(), Refusal> {
        let element = self.body.get(self.start..at).unwrap_or_default();
        self.elements.push(element.trim_ascii());
        self.start = at + 1;

        // What follows the last comma may be nothing.
        self.check_count(self.elements.len() - 1)
    }

    fn array(mut self) -> Result<Array<'b>, Refusal> {
        let has_comma = self.elements.len() > 1;
        let has_comma = has_comma && self.elements.last().is_some_and(|last| last.is_empty());
        self.elements.pop_if(|last| last.is_empty());

        self.check_count(self.elements.len())?;
        Ok(Array {
            elements: self.elements,
            has_comma,
            is_sound: self.is_sound,
        })
    }

    fn check_count(&self, count: usize) -> Result<(), Refusal> {
        if count <= self.limits.events_max {
            return Ok(());
        }
        let message = format!("over {} events in one body", self.limits.events_max);
        Err(Refusal::new(Code::TooManyEvents, message))
    }
}

/// Whether a string with these quotes follows what a string may follow, and the same before.
fn may_stand(body: &[u8], from: usize, to: usize) -> bool {
    let before = body.get(..from).unwrap_or_default().trim_ascii_end().last();
    let behind = body
        .get(to + 1..)
        .unwrap_or_default()
        .trim_ascii_start()
        .first();
    matches!(before, Some(b'{' | b'[' | b',' | b':'))
        && matches!(behind, Some(b'}' | b']' | b',' | b':'))
}

/// The place of the quote that ends the string which starts at `at`.
fn string_end(body: &[u8], charset: Charset, mut at: usize) -> Option<usize> {
    loop {
        let rest = body.get(at..)?;
        let plain = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\') || !byte.is_ascii())?;
        at += plain;
        at += match body.get(at)? {
            b'"' => return Some(at),
            b'\\' => 2,
            _ => charset.length(body.get(at..)?)?,
        };
    }
}
