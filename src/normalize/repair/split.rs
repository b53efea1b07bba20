//! Takes an array apart that the strict reading refused, so that one odd element costs the others nothing and is repaired alone.
//!
//! Promises: linear time; the limits of an array hold. Of sound arrays it finds the same elements as a parser of the decoded text, which is
//! why it steps over strings by character. Deliberately looks at strings, brackets and commas only: what an element is, the reading of it
//! says.

use crate::charset::Charset;
use crate::normalize::Limits;
use boxbridge_event::{Code, Refusal};

pub(in crate::normalize) struct Array<'b> {
    pub elements: Vec<&'b [u8]>,
    /// A comma stood behind the last one.
    pub has_comma: bool,
    /// Strings stand where strings may stand: it was read as it was written.
    pub is_sound: bool,
}

/// `body`, read in this encoding, is one array and nothing else, or the answer is `None`.
pub(in crate::normalize) fn split<'b>(
    body: &'b [u8],
    charset: Charset,
    limits: &Limits,
) -> Result<Option<Array<'b>>, Refusal> {
    let mut is_sound = true;
    let mut elements = Vec::new();
    let (mut at, mut start, mut depth) = (0, 1, 0_usize);
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => match string_end(body, charset, at + 1) {
                Some(end) => {
                    is_sound &= may_stand(body, at, end);
                    at = end;
                }
                None => return Ok(None),
            },
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits.depth_max {
            return Err(Refusal::new(
                Code::JsonTooDeep,
                format!("nested over {} deep at byte {at}", limits.depth_max),
            ));
        }
        let is_end = depth == 0;
        if is_end || (depth == 1 && *byte == b',') {
            elements.push(body.get(start..at).unwrap_or_default().trim_ascii());
            start = at + 1;
        }
        if elements.len() > limits.events_max + 1 {
            return Err(Refusal::new(
                Code::TooManyEvents,
                format!("over {} events in one body", limits.events_max),
            ));
        }
        at += 1;
        if is_end {
            break;
        }
    }
    if at != body.len() || !body.ends_with(b"]") {
        return Ok(None);
    }
    let has_comma = elements.len() > 1 && elements.last().is_some_and(|last| last.is_empty());
    if elements.last().is_some_and(|last| last.is_empty()) {
        elements.pop();
    }
    if elements.len() > limits.events_max {
        return Err(Refusal::new(
            Code::TooManyEvents,
            format!("over {} events in one body", limits.events_max),
        ));
    }
    Ok(Some(Array {
        elements,
        has_comma,
        is_sound,
    }))
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
