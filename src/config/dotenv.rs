//! `.env` files: read by `agentguard dev` only.
//!
//! The form, on purpose a small one: a line is empty, a `# comment`, or `NAME=value` (`export ` before it is
//! allowed). A value in single quotes is taken as it stands; in double quotes `\"`, `\\`, `\n` and `\t` are
//! known; a bare value ends at ` #` and loses the white space around it. Nothing is expanded, no value spans
//! lines, and of a name given twice the second is a fault.

use std::collections::BTreeMap;

/// The pairs of a `.env` text, or one line for every fault with its line number.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, Vec<String>> {
    let mut pairs = BTreeMap::new();
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match pair(line) {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                if pairs.insert(name.to_owned(), value).is_some() {
                    faults.push(format!("line {number}: `{name}` is given twice"));
                }
            }
            Err(wrong) => faults.push(format!("line {number}: {wrong}")),
        }
    }
    if faults.is_empty() { Ok(pairs) } else { Err(faults) }
}

fn pair(line: &str) -> Result<Option<(&str, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("expected `NAME=value`")?;
    let name = name.trim();
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !plain || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("a name is made of letters, digits and `_`");
    }
    let value = value.trim();
    let value = if let Some(rest) = value.strip_prefix('\'') {
        let (inside, after) = rest.split_once('\'').ok_or("the quote `'` is not closed")?;
        only_comment(after)?;
        inside.to_owned()
    } else if let Some(rest) = value.strip_prefix('"') {
        double_quoted(rest)?
    } else if value.starts_with('#') {
        String::new()
    } else {
        let end = value.find(" #").or_else(|| value.find("\t#"));
        end.and_then(|end| value.get(..end)).unwrap_or(value).trim_end().to_owned()
    };
    Ok(Some((name, value)))
}

fn double_quoted(rest: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut letters = rest.chars();
    loop {
        match letters.next() {
            None => return Err("the quote `\"` is not closed"),
            Some('"') => break,
            Some('\\') => match letters.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(letter @ ('"' | '\\')) => value.push(letter),
                Some(_) | None => return Err(r#"after a `\` only `"`, `\`, `n` and `t` are known"#),
            },
            Some(letter) => value.push(letter),
        }
    }
    only_comment(letters.as_str())?;
    Ok(value)
}

fn only_comment(after: &str) -> Result<(), &'static str> {
    let after = after.trim();
    if after.is_empty() || after.starts_with('#') {
        Ok(())
    } else {
        Err("text stands after the closing quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_value_is_read() {
        let text = "# a comment\n\nA=plain value # note\nexport B='as $it \\n stands' # note\nC=\"x\\\"y\\\\z\\n\"\nD=\nE = a#b\nF=# nothing\n";
        let pairs = parse(text).unwrap();
        let shown: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("A", "plain value"),
                ("B", "as $it \\n stands"),
                ("C", "x\"y\\z\n"),
                ("D", ""),
                ("E", "a#b"),
                ("F", "")
            ]
        );
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        let faults = parse("A=1\nnonsense\nA=2\n1B=x\nC='open\nD=\"a\\q\"\nE='a'b\n").unwrap_err();
        let lines: Vec<_> = faults.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["line 2", "line 3", "line 4", "line 5", "line 6", "line 7"]);
    }
}
