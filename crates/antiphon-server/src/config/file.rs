//! The text of a configuration file: which key has which value where. What keys there are is [`super::keys()`]' to say.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use crate::config::ConfigError;
use crate::config::Source;
use crate::config::check::invalid;
use crate::config::keys::KEYS;
use crate::config::keys::List;
use crate::config::layers::Loader;
use crate::config::layers::list;
use crate::config::setting::Form;
use crate::config::setting::Given;

/// The text, to say where something is.
struct Text<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Text<'_> {
    fn place(&self, span: &Range<usize>) -> Source {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Source::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }

    /// What is written there, in one line.
    fn shown(&self, span: &Range<usize>) -> &str {
        let written = self.text.get(span.clone()).unwrap_or_default();
        written.lines().next().unwrap_or_default()
    }

    /// What paths in the file are relative to.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

impl Loader {
    /// Takes over what a file says. `path` is empty if the text is in no file.
    pub(super) fn file(&mut self, path: &Path, text: &str) {
        let text = Text { path, text };
        let (table, errors) = DeTable::parse_recoverable(text.text);
        for error in &errors {
            let span = error.span().unwrap_or_default();
            let problem = error.message().to_owned();
            self.wrong(text.place(&span), ConfigError::Malformed { problem });
        }
        // What follows from a mistake in the syntax is not worth saying.
        if errors.is_empty() {
            self.table("", table.get_ref(), &text);
        }
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>, text: &Text<'_>) {
        // The map is sorted by name, people read from top to bottom.
        let mut items: Vec<_> = table.iter().collect();
        items.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in items {
            let name = format!("{prefix}{}", key.get_ref());
            let inner = format!("{name}.");
            if let Some(list) = list(&name) {
                self.list(list, value, text);
            } else if let Some(found) = KEYS.iter().find(|key| key.name() == name) {
                self.value((found, 0), value, text);
            } else if KEYS.iter().any(|key| key.name().starts_with(&inner)) {
                match value.get_ref() {
                    DeValue::Table(table) => self.table(&inner, table, text),
                    _ => self.shape(name.clone(), value, &format!("write a table [{name}]"), text),
                }
            } else {
                self.unknown(text.place(&key.span()), name);
            }
        }
    }

    fn list(&mut self, list: &List, value: &Spanned<DeValue<'_>>, text: &Text<'_>) {
        let fix = format!("write tables [[{}]]", list.name);
        let Some(entries) = value.get_ref().as_array() else {
            return self.shape(list.name.to_owned(), value, &fix, text);
        };
        self.clear(list);
        for entry in entries {
            let Some(table) = entry.get_ref().as_table() else {
                self.shape(list.name.to_owned(), entry, &fix, text);
                continue;
            };
            let index = self.grow(list, &text.place(&entry.span()));
            let mut items: Vec<_> = table.iter().collect();
            items.sort_by_key(|(key, _)| key.span().start);
            for (key, value) in items {
                let name = format!("{}.{}", list.name, key.get_ref());
                match KEYS.iter().find(|key| key.name() == name) {
                    Some(found) => self.value((found, index), value, text),
                    None => self.unknown(text.place(&key.span()), name),
                }
            }
        }
    }

    fn value(
        &mut self,
        place: (&super::Key, usize),
        value: &Spanned<DeValue<'_>>,
        text: &Text<'_>,
    ) {
        let given = Given { form: Form::Toml(value.get_ref()), folder: text.folder() };
        self.set(place, &given, text.shown(&value.span()), text.place(&value.span()));
    }

    fn shape(&mut self, key: String, value: &Spanned<DeValue<'_>>, fix: &str, text: &Text<'_>) {
        let problem = format!("is {}", text.shown(&value.span()));
        self.wrong(text.place(&value.span()), invalid(key, problem, fix));
    }
}
