//! The inventory of devices: a CSV file with the header `ip,name,door,site,expected`, one device a line.
//!
//! Promises: every bad line is found, each with its number; UTF-8 with or without a byte order mark, and lines that end as Windows ends
//! them, are taken. Deliberately no CSV library: no field spans lines, and a refusal has to name the line.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::path::Path;

use crate::values::lines::{LinesProblem, bytes_of};
use crate::values::site::is_site;

/// The devices that an operator knows, by site and address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    pub devices: Vec<Listed>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The device's id: its address.
    pub ip: String,
    pub site: String,
    pub name: Option<String>,
    pub door: Option<String>,
    /// Whether it should be heard of; one that is not expected is never silent.
    pub expected: bool,
}

/// As many as the table of devices holds.
const DEVICES_MAX: usize = 10_000;
/// Ten times what so many devices take with long names.
const BYTES_MAX: u64 = 8 << 20;
/// Of a name or a door.
const NAME_MAX: usize = 200;
const COLUMNS: [&str; 5] = ["ip", "name", "door", "site", "expected"];

impl Inventory {
    pub(crate) fn read(file: &Path, site: &str) -> Result<Inventory, LinesProblem> {
        let usual = "is over 8MiB: an inventory of 10000 devices has a tenth of that";
        Inventory::parse(&bytes_of(file, BYTES_MAX, usual)?, site)
    }

    /// `site` is that of the lines which name none.
    pub(crate) fn parse(bytes: &[u8], site: &str) -> Result<Inventory, LinesProblem> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut lines = bytes.split(|byte| *byte == b'\n').enumerate();
        let header = lines.next().map_or(&b""[..], |(_, line)| line);
        let columns = Columns::of(header).map_err(|problem| LinesProblem::Lines(vec![problem]))?;

        let mut found = Found::default();
        for (before, line) in lines {
            let listed = columns.listed(line, site);
            found.add(before + 1, listed);
        }
        found.inventory()
    }
}

/// The lines that were read so far.
#[derive(Default)]
struct Found {
    devices: Vec<Listed>,
    problems: Vec<String>,
    /// The line of each device.
    lines: HashMap<(String, String), usize>,
}

impl Found {
    fn add(&mut self, line: usize, listed: Result<Option<Listed>, String>) {
        let listed = match listed {
            Ok(Some(listed)) => listed,
            Ok(None) => return,
            Err(problem) => return self.problems.push(format!("line {line}: {problem}")),
        };

        match self.lines.entry((listed.site.clone(), listed.ip.clone())) {
            Entry::Occupied(first) => {
                let (site, ip, first) = (&listed.site, &listed.ip, first.get());
                let problem =
                    format!("line {line}: {ip} of site {site} stands in line {first} already");
                self.problems.push(problem);
            }
            Entry::Vacant(place) => {
                place.insert(line);
                self.devices.push(listed);
            }
        }
    }

    fn inventory(mut self) -> Result<Inventory, LinesProblem> {
        let devices = self.devices.len();
        if devices > DEVICES_MAX {
            let problem = format!("names {devices} devices, at most {DEVICES_MAX} are kept");
            self.problems.push(problem);
        }

        match self.problems.is_empty() {
            true => Ok(Inventory {
                devices: self.devices,
            }),
            false => Err(LinesProblem::Lines(self.problems)),
        }
    }
}

/// Where each column stands.
struct Columns(Vec<&'static str>);

impl Columns {
    fn of(header: &[u8]) -> Result<Columns, String> {
        let allowed = COLUMNS.join(",");
        let wrong = |what: String| format!("line 1: {what}, the header must be {allowed}");

        let mut columns = Vec::new();
        for name in fields(text(header).map_err(wrong)?).map_err(wrong)? {
            let known = COLUMNS.into_iter().find(|column| *column == name);
            match known {
                Some(column) if !columns.contains(&column) => columns.push(column),
                Some(column) => return Err(wrong(format!("{column} stands there twice"))),
                None => return Err(wrong(format!("there is no column {name:?}"))),
            }
        }
        match columns.contains(&"ip") {
            true => Ok(Columns(columns)),
            false => Err(wrong("there is no column ip".to_owned())),
        }
    }

    /// The device of a line; `None` for an empty one.
    fn listed(&self, line: &[u8], site: &str) -> Result<Option<Listed>, String> {
        let line = text(line)?;
        if line.trim().is_empty() {
            return Ok(None);
        }
        let fields = fields(line)?;
        if fields.len() > self.0.len() {
            let (found, columns) = (fields.len(), self.0.len());
            return Err(format!(
                "{found} fields for {columns} columns: quote a field that holds a comma"
            ));
        }

        let field = |column: &str| {
            let place = self.0.iter().position(|known| *known == column);
            let text = place.and_then(|place| fields.get(place));
            text.map_or("", String::as_str)
        };
        Ok(Some(Listed {
            ip: ip(field("ip"))?,
            site: site_of(field("site"), site)?,
            name: name("name", field("name"))?,
            door: name("door", field("door"))?,
            expected: expected(field("expected"))?,
        }))
    }
}

fn text(line: &[u8]) -> Result<&str, String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    std::str::from_utf8(line).map_err(|_| "is not UTF-8: save the file as \"CSV UTF-8\"".to_owned())
}

/// The fields of a line, without the blanks around them; `"a, ""b"""` is one field.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let (mut fields, mut field) = (Vec::new(), String::new());
    let (mut is_quoted, mut letters) = (false, line.chars().peekable());

    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if is_quoted || field.trim().is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field).trim().to_owned()),
            _ => field.push(letter),
        }
    }
    if is_quoted {
        return Err("a quotation mark is not closed".to_owned());
    }

    fields.push(field.trim().to_owned());
    Ok(fields)
}

fn ip(text: &str) -> Result<String, String> {
    let address: Result<IpAddr, _> = text.parse();
    let address =
        address.map_err(|_| format!("ip {text:?}: must be an address such as 192.168.1.243"))?;
    Ok(address.to_string())
}

fn site_of(text: &str, usual: &str) -> Result<String, String> {
    match text {
        "" => Ok(usual.to_owned()),
        _ if is_site(text) => Ok(text.to_owned()),
        _ => Err(format!("site {text:?}: must be 1 to 32 of a-z 0-9 -")),
    }
}

fn name(column: &str, text: &str) -> Result<Option<String>, String> {
    if text.len() > NAME_MAX || text.contains(char::is_control) {
        return Err(format!(
            "{column}: at most {NAME_MAX} bytes, and no control characters"
        ));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn expected(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err(format!("expected {text:?}: must be yes, no or empty (yes)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(problem: LinesProblem) -> Vec<String> {
        match problem {
            LinesProblem::Lines(lines) => lines,
            LinesProblem::File(problem) => vec![problem],
        }
    }

    #[test]
    fn an_inventory_is_read_as_offices_write_it() {
        let text = "\u{feff}ip,name,door,site,expected\r\n\
                    192.168.1.243,东门,\"Gate 1, \"\"north\"\"\",lobby,yes\r\n\
                    \r\n\
                    192.168.1.244,,,,NO\r\n\
                    192.168.1.245";
        let listed =
            |ip: &str, site: &str, name: Option<&str>, door: Option<&str>, expected| Listed {
                ip: ip.to_owned(),
                site: site.to_owned(),
                name: name.map(str::to_owned),
                door: door.map(str::to_owned),
                expected,
            };
        assert_eq!(
            Inventory::parse(text.as_bytes(), "default").map(|inventory| inventory.devices),
            Ok(vec![
                listed(
                    "192.168.1.243",
                    "lobby",
                    Some("东门"),
                    Some("Gate 1, \"north\""),
                    true
                ),
                listed("192.168.1.244", "default", None, None, false),
                listed("192.168.1.245", "default", None, None, true),
            ])
        );
    }

    #[test]
    fn every_bad_line_is_said_with_its_number() {
        let text = b"ip,site,expected\n192.168.1.2433,,\n10.0.0.1,Lobby,\n10.0.0.2,,perhaps\n10.0.0.3,,yes\n10.0.0.3,,yes\n\
                     10.0.0.4,a,b,c\n10.0.0.5,\"a,\n10.0.0.6,\xd6\xd0,\n";
        let problems = lines(Inventory::parse(text, "default").unwrap_err());
        let numbers: Vec<_> = problems
            .iter()
            .map(|problem| problem.split(':').next().unwrap_or_default())
            .collect();
        let expected = [2, 3, 4, 6, 7, 8, 9].map(|line| format!("line {line}"));
        assert_eq!(numbers, expected, "{problems:#?}");
        assert!(
            problems[3].ends_with("10.0.0.3 of site default stands in line 5 already"),
            "{problems:#?}"
        );
    }

    #[test]
    fn another_header_is_told_what_it_should_be() {
        for header in [
            "",
            "ip;name;door;site;expected",
            "name,door",
            "ip,ip",
            "ip,mac",
        ] {
            let problems = lines(Inventory::parse(header.as_bytes(), "default").unwrap_err());
            assert!(
                problems[0].contains("the header must be ip,name,door,site,expected"),
                "{problems:?}"
            );
        }
    }
}
