//! Where results go: standard output, which may be a terminal, a file or a pipe that closes early.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};

use serde_json::Value;

use super::Failure;

/// Standard output, written without panicking.
pub struct Output {
    writer: BufWriter<Box<dyn Write>>,
    colour: bool,
}

/// How a piece of text is set off on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Added, allowed, fine.
    Good,
    /// Removed, denied, broken.
    Bad,
    /// Changed, to be looked at.
    Notable,
    /// Of less weight.
    Faint,
}

impl Output {
    /// The process's standard output; coloured only on a terminal and unless `NO_COLOR` is set.
    pub fn standard(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let is_set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
        let dumb = env("TERM").is_some_and(|term| term == "dumb");
        let colour = io::stdout().is_terminal() && !is_set("NO_COLOR") && !dumb;
        Self { writer: BufWriter::new(Box::new(io::stdout())), colour }
    }

    /// One line.
    pub fn line(&mut self, text: impl fmt::Display) -> Result<(), Failure> {
        Ok(writeln!(self.writer, "{text}")?)
    }

    /// One line in a style.
    pub fn styled(&mut self, style: Style, text: impl fmt::Display) -> Result<(), Failure> {
        let text = self.paint(style, text);
        self.line(text)
    }

    /// Text in a style, for a part of a line.
    pub fn paint(&self, style: Style, text: impl fmt::Display) -> String {
        let code = match style {
            Style::Good => "32",
            Style::Bad => "31",
            Style::Notable => "33",
            Style::Faint => "2",
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }

    /// One JSON value on one line, so that a command's results can be read line by line.
    pub fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(value)
    }

    /// One JSON value, indented.
    pub fn json_pretty(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(format_args!("{value:#}"))
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.writer.write_all(bytes)?)
    }

    /// Names and values under each other; what is empty is left out.
    pub fn fields(&mut self, fields: &[(&str, String)]) -> Result<(), Failure> {
        let shown = || fields.iter().filter(|(_, value)| !value.is_empty());
        let width = shown().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in shown() {
            self.line(format_args!("{name:width$}  {}", printable(value)))?;
        }
        Ok(())
    }

    /// Rows under their headings, in columns.
    pub fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let show = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> =
                cells.zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
            padded.join("  ").trim_end().to_owned()
        };
        let head = show(&mut headings.iter().copied());
        self.styled(Style::Faint, head)?;
        for row in &rows {
            let line = show(&mut row.iter().map(String::as_str));
            self.line(line)?;
        }
        Ok(())
    }

    /// Hands everything on to the reader.
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.writer.flush()?)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("colour", &self.colour).finish_non_exhaustive()
    }
}

/// `text` without control characters: what agents claim must not move a terminal's cursor or colour its lines.
pub fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if !text.contains(hidden) {
        return text.to_owned();
    }
    text.chars().map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// A line on standard error. If nobody reads it there is nobody to tell.
pub fn note(line: &str) {
    writeln!(io::stderr(), "agentguard: {}", printable(line)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
        assert_eq!(printable("grün ✓"), "grün ✓");
    }
}
