//! Values that are lists or tables: with brackets in TOML, with commas in the environment.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::config::Network;
use crate::config::setting::Form;
use crate::config::setting::Given;
use crate::config::setting::Setting;
use crate::config::setting::quoted;

impl<'a> Given<'a> {
    /// The items of a list.
    fn texts(&self) -> Option<Vec<&'a str>> {
        match self.form {
            Form::Toml(value) => {
                value.as_array()?.iter().map(|item| item.get_ref().as_str()).collect()
            }
            Form::Bare(text) => Some(text.split(',').map(str::trim).collect()),
        }
    }

    /// The keys of a table with their values.
    fn pairs(&self) -> Option<Vec<(String, Given<'a>)>> {
        let folder = self.folder;
        match self.form {
            Form::Toml(value) => {
                let pairs = value.as_table()?.iter().map(|(key, value)| {
                    let form = Form::Toml(value.get_ref());
                    (key.get_ref().to_string(), Given { form, folder })
                });
                Some(pairs.collect())
            }
            Form::Bare(text) => text
                .split(',')
                .map(|pair| {
                    // Names of certificates have equals signs, what they are mapped to has not.
                    let (key, value) = pair.trim().rsplit_once('=')?;
                    Some((key.to_owned(), Given { form: Form::Bare(value), folder }))
                })
                .collect(),
        }
    }
}

impl Setting for Vec<String> {
    fn expected() -> String {
        "a list of texts, such as [\"a\", \"b\"]".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        Some(given.texts()?.into_iter().map(str::to_owned).collect())
    }

    fn show(&self) -> Option<String> {
        Some(listed(self))
    }
}

impl Setting for BTreeSet<String> {
    fn expected() -> String {
        Vec::<String>::expected()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        Some(given.texts()?.into_iter().map(str::to_owned).collect())
    }

    fn show(&self) -> Option<String> {
        Some(listed(&self.iter().collect::<Vec<_>>()))
    }
}

impl Setting for Vec<PathBuf> {
    fn expected() -> String {
        "a list of files, such as [\"a.pem\", \"b.pem\"]".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        Some(given.texts()?.into_iter().map(|name| given.folder.join(name)).collect())
    }

    fn show(&self) -> Option<String> {
        Some(listed(&self.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>()))
    }
}

impl Setting for BTreeMap<String, String> {
    fn expected() -> String {
        "a table of texts, such as { Key = \"value\" }; in the environment Key=value,...".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        let pairs = given.pairs()?.into_iter();
        pairs.map(|(key, value)| Some((key, value.text()?.to_owned()))).collect()
    }

    fn show(&self) -> Option<String> {
        Some(table(self.iter().map(|(key, value)| (key, quoted(value)))))
    }
}

impl Setting for BTreeMap<String, BTreeSet<String>> {
    fn expected() -> String {
        "a table of lists, such as { name = [\"a\", \"b\"] }; in the environment name=a,name=b"
            .to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        let mut lists = Self::new();
        for (key, value) in given.pairs()? {
            lists.entry(key).or_default().extend(BTreeSet::read(&value)?);
        }
        Some(lists)
    }

    fn show(&self) -> Option<String> {
        Some(table(self.iter().filter_map(|(key, list)| Some((key, list.show()?)))))
    }
}

impl Setting for Vec<Network> {
    fn expected() -> String {
        "a list of addresses or networks, such as [\"10.1.2.3\", \"10.0.0.0/8\"]".to_owned()
    }

    fn read(given: &Given<'_>) -> Option<Self> {
        given.texts()?.into_iter().map(|text| text.parse().ok()).collect()
    }

    fn show(&self) -> Option<String> {
        Some(listed(self))
    }
}

fn listed(items: &[impl ToString]) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// As an inline table of TOML.
fn table<'k>(pairs: impl Iterator<Item = (&'k String, String)>) -> String {
    let pairs: Vec<_> = pairs.map(|(key, value)| format!("{} = {value}", quoted(key))).collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}
