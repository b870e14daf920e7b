//! Random filters as trees: what they mean, computed the simple way, and how they may be written.

use crate::session::Session;

#[derive(Clone, Debug)]
pub(crate) enum Tree {
    All,
    Has(String),
    HasRoles(Vec<String>),
    Is(String, String),
    Ne(String, String),
    In(String, Vec<String>),
    Matches(String, Pattern),
    RolesIs(Vec<String>),
    RolesNe(Vec<String>),
    RolesIn(Vec<Vec<String>>),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pattern {
    Everything,
    BeginsWithA,
    XOrEmpty,
}

impl Tree {
    pub(crate) fn holds(&self, session: &Session) -> bool {
        let value = |key: &String| session.properties.get(key);
        let exactly = |roles: &Vec<String>| session.roles == roles.iter().cloned().collect();
        match self {
            Tree::All => true,
            Tree::Has(key) => session.properties.contains_key(key),
            Tree::HasRoles(roles) => roles.iter().all(|role| session.roles.contains(role)),
            Tree::Is(key, wanted) => value(key) == Some(wanted),
            Tree::Ne(key, wanted) => value(key) != Some(wanted),
            Tree::In(key, wanted) => wanted.iter().any(|wanted| value(key) == Some(wanted)),
            Tree::Matches(key, pattern) => value(key).is_some_and(|value| pattern.accepts(value)),
            Tree::RolesIs(roles) => exactly(roles),
            Tree::RolesNe(roles) => !exactly(roles),
            Tree::RolesIn(sets) => sets.iter().any(exactly),
            Tree::Not(inner) => !inner.holds(session),
            Tree::And(parts) => parts.iter().all(|part| part.holds(session)),
            Tree::Or(parts) => parts.iter().any(|part| part.holds(session)),
        }
    }

    /// How tightly the expression binds when written without parentheses.
    fn rank(&self) -> u8 {
        match self {
            Tree::Or(_) => 0,
            Tree::And(_) => 1,
            _ => 2,
        }
    }
}

impl Pattern {
    fn accepts(self, value: &str) -> bool {
        match self {
            Pattern::Everything => true,
            Pattern::BeginsWithA => value.starts_with('a') && !value.contains('\n'),
            Pattern::XOrEmpty => value == "x" || value.is_empty(),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Pattern::Everything => r"[\s\S]*",
            Pattern::BeginsWithA => "a.*",
            Pattern::XOrEmpty => "|x",
        }
    }
}

/// Writes trees; takes each free decision from a list of choices, which it repeats for ever.
pub(crate) struct Printer<'c> {
    choices: std::iter::Cycle<std::slice::Iter<'c, u8>>,
    text: String,
}

impl<'c> Printer<'c> {
    /// `choices` must not be empty.
    pub(crate) fn print(tree: &Tree, choices: &'c [u8]) -> String {
        let mut printer = Self { choices: choices.iter().cycle(), text: String::new() };
        printer.tree(tree, 0);
        printer.space();
        printer.text
    }

    fn choose(&mut self, options: u8) -> u8 {
        self.choices.next().expect("there are choices") % options
    }

    fn tree(&mut self, tree: &Tree, rank: u8) {
        let parentheses = tree.rank() < rank || self.choose(8) == 7;
        if parentheses {
            self.mark("(");
        }
        self.bare(tree);
        if parentheses {
            self.mark(")");
        }
    }

    fn bare(&mut self, tree: &Tree) {
        match tree {
            Tree::All => self.keyword("all"),
            Tree::Has(key) => {
                self.keyword("has");
                self.word(key);
            }
            Tree::HasRoles(roles) => {
                self.keyword("hasRoles");
                self.list(roles);
            }
            Tree::Not(inner) => {
                self.keyword("not");
                self.tree(inner, 2);
            }
            Tree::And(parts) => self.chain(parts, "and", 1),
            Tree::Or(parts) => self.chain(parts, "or", 0),
            comparison => self.comparison(comparison),
        }
    }

    fn comparison(&mut self, tree: &Tree) {
        let is = ["is", "eq"][usize::from(self.choose(2))];
        match tree {
            Tree::Is(key, value) => self.one(key, is, value),
            Tree::Ne(key, value) => self.one(key, "ne", value),
            Tree::Matches(key, pattern) => self.one(key, "matches", pattern.text()),
            Tree::In(key, values) => self.many(key, values),
            Tree::RolesIs(roles) => {
                let roles = self.roles(roles);
                self.one("$Roles", is, &roles);
            }
            Tree::RolesNe(roles) => {
                let roles = self.roles(roles);
                self.one("$Roles", "ne", &roles);
            }
            Tree::RolesIn(sets) => {
                let sets: Vec<String> = sets.iter().map(|roles| self.roles(roles)).collect();
                self.many("$Roles", &sets);
            }
            other => unreachable!("{other:?} is no comparison"),
        }
    }

    fn chain(&mut self, parts: &[Tree], word: &str, rank: u8) {
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                self.keyword(word);
            }
            self.tree(part, rank + 1);
        }
    }

    fn one(&mut self, key: &str, operator: &str, value: &str) {
        self.word(key);
        self.keyword(operator);
        self.value(value);
    }

    fn many(&mut self, key: &str, values: &[String]) {
        self.word(key);
        self.keyword("in");
        self.list(values);
    }

    fn list(&mut self, values: &[String]) {
        let (open, close) = [("[", "]"), ("{", "}"), ("", "")][usize::from(self.choose(3))];
        self.mark(open);
        for (i, value) in values.iter().enumerate() {
            if i > 0 && self.choose(2) == 0 {
                self.mark(",");
            }
            self.value(value);
        }
        self.mark(close);
    }

    /// A list of roles as a text, which becomes a value in turn.
    fn roles(&mut self, roles: &[String]) -> String {
        let outside = std::mem::take(&mut self.text);
        if roles.is_empty() {
            self.space();
        } else {
            self.list(roles);
        }
        std::mem::replace(&mut self.text, outside)
    }

    fn keyword(&mut self, word: &str) {
        let spelled = match self.choose(3) {
            0 => word.to_owned(),
            1 => word.to_ascii_uppercase(),
            _ => word.to_ascii_lowercase(),
        };
        self.word(&spelled);
    }

    fn word(&mut self, word: &str) {
        let glued = self.text.is_empty()
            || self.text.ends_with(['"', '\'', '(', ')', ']', '}', ' ', '\t', '\r', '\n']);
        // A key may end in a bracket too, so a bracket at the end does not tell whether a word stands there.
        if !glued || self.text.ends_with([']', '}']) || self.choose(2) == 0 {
            let space = [' ', '\t', '\n', '\r'][usize::from(self.choose(4))];
            self.text.push(space);
        }
        self.text.push_str(word);
    }

    fn mark(&mut self, mark: &str) {
        self.space();
        self.text.push_str(mark);
    }

    fn space(&mut self) {
        let space = ["", " ", "\r\n", "\t  "][usize::from(self.choose(4))];
        self.text.push_str(space);
    }

    fn value(&mut self, value: &str) {
        let quote = ['"', '\''][usize::from(self.choose(2))];
        self.space();
        self.text.push(quote);
        for c in value.chars() {
            self.character(c, quote);
        }
        self.text.push(quote);
    }

    fn character(&mut self, c: char, quote: char) {
        match (c, self.choose(6)) {
            (_, 5) => {
                let units: Vec<String> =
                    c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")).collect();
                self.text.push_str(&units.concat());
            }
            ('\n', 4) => self.text.push_str(r"\n"),
            ('\\', _) => self.text.push_str(r"\\"),
            ('"' | '\'', choice) if c == quote || choice == 4 => self.text.extend(['\\', c]),
            _ => self.text.push(c),
        }
    }
}
