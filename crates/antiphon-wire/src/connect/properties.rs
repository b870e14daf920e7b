//! The two encodings of proposed session properties, parameter `sp`.
//!
//! JavaScript sends a JSON object of strings, Python a flat list of quoted items, key, value, key, value:
//!
//! ```text
//! {"Department":"Sales","$Environment":"NODE_linux_20"}
//! "Department","Sales","$Environment","PYTHON_cpython_3.11"
//! ```

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;

/// Reads proposed properties in either encoding. Empty text means none.
///
/// `None` if the text is in neither encoding. A key may come twice in the list of quoted items. Which properties are then accepted is not decided here.
#[must_use]
pub fn parse_properties(text: &str) -> Option<Vec<(String, String)>> {
    if text.starts_with('{') {
        let object: BTreeMap<String, String> = serde_json::from_str(text).ok()?;
        return Some(object.into_iter().collect());
    }
    QuotedList { chars: text.chars().peekable() }.pairs()
}

/// Writes properties as a JSON object, in the order in which they stand.
pub(super) fn json_object(properties: &[(String, String)]) -> String {
    let json = |text: &str| Value::from(text).to_string();
    let members: Vec<String> =
        properties.iter().map(|(key, value)| format!("{}:{}", json(key), json(value))).collect();
    format!("{{{}}}", members.join(","))
}

struct QuotedList<'a> {
    chars: Peekable<Chars<'a>>,
}

impl QuotedList<'_> {
    /// `"key","value", ...` up to the end.
    fn pairs(&mut self) -> Option<Vec<(String, String)>> {
        let mut properties = Vec::new();
        while self.chars.peek().is_some() {
            if !properties.is_empty() {
                self.accept(',').then_some(())?;
            }
            let key = self.quoted()?;
            self.accept(',').then_some(())?;
            properties.push((key, self.quoted()?));
        }
        Some(properties)
    }

    /// An item in double quotes. After a backslash `t`, `n` and `r` are control characters, all else is itself.
    fn quoted(&mut self) -> Option<String> {
        self.accept('"').then_some(())?;
        let mut text = String::new();
        loop {
            match self.chars.next()? {
                '"' => return Some(text),
                '\\' => text.push(match self.chars.next()? {
                    't' => '\t',
                    'n' => '\n',
                    'r' => '\r',
                    c => c,
                }),
                c => text.push(c),
            }
        }
    }

    fn accept(&mut self, c: char) -> bool {
        self.chars.next_if_eq(&c).is_some()
    }
}
