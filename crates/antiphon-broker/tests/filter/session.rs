//! A session as the filter tests need it, and an index over several.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use antiphon_broker::filter::Attributes;
use antiphon_broker::filter::Bucket;
use antiphon_broker::filter::Index;

#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) roles: BTreeSet<String>,
}

impl Session {
    pub(crate) fn new(properties: &[(&str, &str)], roles: &[&str]) -> Self {
        Self {
            properties: properties
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        }
    }

    pub(crate) fn is_in(&self, bucket: Bucket<'_>) -> bool {
        match bucket {
            Bucket::Property { key, value } => self.property(key) == Some(value),
            Bucket::Role(role) => self.has_role(role),
        }
    }
}

impl Attributes for Session {
    fn property(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(String::as_str)
    }

    fn has_role(&self, role: &str) -> bool {
        self.roles.contains(role)
    }

    fn role_count(&self) -> usize {
        self.roles.len()
    }
}

pub(crate) struct Population<'s>(pub(crate) &'s [Session]);

impl Index for Population<'_> {
    fn size(&self, bucket: Bucket<'_>) -> usize {
        self.0.iter().filter(|session| session.is_in(bucket)).count()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
