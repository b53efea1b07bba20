//! The verdict as a table: a block for each destination, what weakens it, and in the last line the verdict with its reasons.

use std::fmt::{self, Write};

use super::{BusReport, Report, Row, StoreReport, Strictness};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(Strictness::Usual))
    }
}

impl Report {
    pub fn table(&self, strictness: Strictness) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, strictness);
        text
    }

    fn write(&self, text: &mut String, strictness: Strictness) -> fmt::Result {
        let (sent, acknowledged) = (self.sent, self.acknowledged);
        writeln!(
            text,
            "ledger            {sent} events sent, {acknowledged} acknowledged"
        )?;

        for (name, bus) in &self.buses {
            bus.write(text, name)?;
        }
        for (name, store) in self.stores() {
            store.write(text, name)?;
        }

        if !self.not_judged.is_empty() {
            let names = self.not_judged.join(", ");
            writeln!(
                text,
                "\nnot judged        {names}   (on in this config; --destination NAME judges it)"
            )?;
        }
        for warning in &self.warnings {
            writeln!(text, "\nwarning           {warning}")?;
        }
        if self.sent > 0 && !self.is_compared() {
            let warning = "nothing was listened to, and no store looked at: nothing was compared";
            writeln!(text, "\nwarning           {warning}")?;
        }

        write!(text, "\n{}", self.conclusion(strictness))
    }

    /// `FAILED: mqtt 3 lost, store 1 dangling`
    fn conclusion(&self, strictness: Strictness) -> String {
        let verdict = self.verdict(strictness);
        let reasons = match self.is_undecided(strictness) {
            true => self.doubts(),
            false => self.failures(strictness),
        };
        match self.sent == 0 || reasons.is_empty() {
            true => verdict.to_owned(),
            false => format!("{verdict}: {}", reasons.join(", ")),
        }
    }
}

impl BusReport {
    fn write(&self, text: &mut String, name: &str) -> fmt::Result {
        let title = match name == self.kind.as_str() {
            true => name.to_owned(),
            false => format!("{name} ({})", self.kind.as_str()),
        };
        let (received, expected) = (self.received, self.expected);
        let (messages, foreign) = (self.messages, self.foreign);

        writeln!(
            text,
            "\n{title:<17} {received} of {expected} received, {messages} messages, {foreign} foreign"
        )?;
        rows(text, &self.rows())
    }
}

impl StoreReport {
    fn write(&self, text: &mut String, name: &str) -> fmt::Result {
        let title = match name == boxbridge_config::STORE {
            true => name.to_owned(),
            false => format!("{name} (store)"),
        };
        let (stored, expected, verified) = (self.stored, self.expected, self.verified);

        writeln!(
            text,
            "\n{title:<17} {stored} of {expected} pictures stored, {verified} read and compared"
        )?;
        rows(text, &self.rows())
    }
}

fn rows(text: &mut String, rows: &[Row<'_>]) -> fmt::Result {
    for row in rows {
        writeln!(text, "  {:<16}{}", row.name, row.finding.count)?;
        for example in &row.finding.examples {
            writeln!(text, "    {example}")?;
        }
    }
    Ok(())
}
