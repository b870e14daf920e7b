//! What the demo prints: a story for people, or an object for each scene.

use std::fmt::Display;

use serde_json::Value;
use serde_json::json;

use crate::commands::demo::cast::Cast;
use crate::commands::demo::cast::PRICES;
use crate::failure::Failure;
use crate::output::Output;

/// Prints the story.
#[derive(Clone, Copy)]
pub(super) struct Narrator(pub(super) Output);

impl Narrator {
    pub(super) fn opening(self, url: &str) -> Result<(), Failure> {
        self.text(format_args!("A server listens at {url}. Five sessions connect to it:"))?;
        self.object(&json!({ "scene": "server", "url": url }))
    }

    pub(super) fn nodes(self, urls: &[&str]) -> Result<(), Failure> {
        self.text(format_args!(
            "{} servers have found each other, and are one system:",
            urls.len()
        ))?;
        for (index, url) in urls.iter().enumerate() {
            self.line(format_args!("node-{}  {url}", index + 1))?;
        }
        self.object(&json!({ "scene": "nodes", "urls": urls }))
    }

    pub(super) fn cast(self, cast: &Cast) -> Result<(), Failure> {
        self.person("office", &cast.office.id(), "principal admin; asks")?;
        self.person("prices", &cast.prices.id(), "principal control; answers \"prices\"")?;
        for till in &cast.tills {
            let role = format!("property Country={}; answers when addressed", till.country);
            self.person(till.name, &till.session.id(), &role)?;
        }
        let sessions = 2 + cast.tills.len();
        self.object(&json!({ "scene": "sessions", "sessions": sessions, "handler": PRICES }))
    }

    fn person(self, name: &str, id: &dyn Display, role: &str) -> Result<(), Failure> {
        self.line(format_args!("{name:8} {id}  {role}"))
    }

    /// Begins a scene.
    pub(super) fn scene(self, title: &str, explanation: &str) -> Result<(), Failure> {
        self.text(format_args!("\n{title}\n{explanation}"))
    }

    pub(super) fn closing(self) -> Result<(), Failure> {
        self.text(CLOSING)
    }

    /// What happens.
    pub(super) fn line(self, line: impl Display) -> Result<(), Failure> {
        self.text(format_args!("  {line}"))
    }

    /// The same for programs.
    pub(super) fn object(self, object: &Value) -> Result<(), Failure> {
        let Self(output) = self;
        if output == Output::Json { output.json(object) } else { Ok(()) }
    }

    fn text(self, text: impl Display) -> Result<(), Failure> {
        let Self(output) = self;
        if output == Output::Json { Ok(()) } else { output.line(text) }
    }
}

const CLOSING: &str = "
Now try it yourself, each in a terminal of its own:
  antiphon serve --dev
  antiphon handle greetings --exec 'echo hello $ANTIPHON_REQUEST' --principal admin --password password
  antiphon request greetings world
`antiphon --help` shows the rest.";
