//! Turns filter text into a tree, by recursive descent. The language is described in [`super`].

use super::Bounds;
use super::MAX_DEPTH;
use super::error::FilterError;
use super::eval::Expr;
use super::eval::Set;
use super::lexer::Lexer;
use super::lexer::Value;
use super::pattern::Patterns;
use crate::reading::excerpt;
use crate::stats::Limit;

/// The property whose value is a list of roles.
const ROLES: &str = "$Roles";

type Parsed<T> = Result<T, FilterError>;

/// Parses a whole filter.
pub(super) fn parse(text: &str, bounds: Bounds) -> Parsed<Expr> {
    let Bounds { length, depth } = bounds;
    if text.len() > length {
        let message = format!("the filter has {} bytes, at most {length} are allowed", text.len());
        return Err(FilterError::at(text, 0, message).over(Limit::FilterLength));
    }
    let mut parser = Parser {
        lexer: Lexer::new(text),
        depth: 0,
        most: depth.min(MAX_DEPTH),
        patterns: Patterns::default(),
    };
    if parser.lexer.at_end() {
        return Err(FilterError::at(text, 0, "the filter is empty; write all for every session"));
    }
    let root = parser.any_of()?;
    if !parser.lexer.at_end() {
        return Err(parser.lexer.expected("and, or, or the end of the filter"));
    }
    Ok(root)
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    depth: usize,
    /// How deep it may nest.
    most: usize,
    patterns: Patterns,
}

enum Keyword {
    All,
    Has,
    HasRoles,
    Not,
}

enum Operator {
    Is,
    Ne,
    In,
    Matches,
}

impl<'t> Parser<'t> {
    fn any_of(&mut self) -> Parsed<Expr> {
        let mut parts = vec![self.all_of()?];
        while self.lexer.take_word("or") {
            parts.push(self.all_of()?);
        }
        Ok(join(parts, Expr::Or))
    }

    fn all_of(&mut self) -> Parsed<Expr> {
        let mut parts = vec![self.term()?];
        while self.lexer.take_word("and") {
            parts.push(self.term()?);
        }
        Ok(join(parts, Expr::And))
    }

    /// A clause, or an expression in parentheses, or the negation of one of these.
    fn term(&mut self) -> Parsed<Expr> {
        let start = self.lexer.position();
        if self.lexer.take('(') {
            return self.nested(start, Self::group);
        }
        if self.comparison_follows() {
            return self.comparison();
        }
        match self.take_keyword() {
            Some(Keyword::All) => Ok(Expr::All),
            Some(Keyword::Has) => {
                self.take_key("a key after has").map(|key| Expr::Has(key.to_owned()))
            }
            Some(Keyword::HasRoles) => Ok(Expr::HasRoles(strings(list(&mut self.lexer)?))),
            Some(Keyword::Not) => self.nested(start, Self::term).map(Expr::negated),
            None => self.comparison(),
        }
    }

    /// Parses something that counts as one level of depth and begins at `start`.
    fn nested(&mut self, start: usize, parse: fn(&mut Self) -> Parsed<Expr>) -> Parsed<Expr> {
        if self.depth == self.most {
            let message = format!(
                "nested too deep: at most {} levels of parentheses and not are allowed",
                self.most
            );
            return Err(self.lexer.error(start, message).over(Limit::FilterDepth));
        }
        self.depth += 1;
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }

    /// The rest of an expression whose opening parenthesis is already taken.
    fn group(&mut self) -> Parsed<Expr> {
        let inner = self.any_of()?;
        if !self.lexer.take(')') {
            return Err(self.lexer.expected("and, or, or )"));
        }
        Ok(inner)
    }

    /// Whether a key, an operator and a value come next: then a keyword is the key.
    fn comparison_follows(&self) -> bool {
        let mut ahead = self.lexer;
        ahead.advance(ahead.word().len());
        take_operator(&mut ahead).is_some() && ahead.at_values()
    }

    fn take_keyword(&mut self) -> Option<Keyword> {
        const HAS_ROLES: &str = "hasRoles";
        // The bracket of its list may follow this one without a space.
        if self.lexer.word_before_bracket().eq_ignore_ascii_case(HAS_ROLES) {
            self.lexer.advance(HAS_ROLES.len());
            return Some(Keyword::HasRoles);
        }
        if self.lexer.take_word("all") {
            return Some(Keyword::All);
        }
        if self.lexer.take_word("has") {
            return Some(Keyword::Has);
        }
        self.lexer.take_word("not").then_some(Keyword::Not)
    }

    fn take_key(&mut self, expected: &str) -> Parsed<&'t str> {
        let key = self.lexer.word();
        if key.is_empty() {
            return Err(self.lexer.expected(expected));
        }
        self.lexer.advance(key.len());
        Ok(key)
    }

    fn comparison(&mut self) -> Parsed<Expr> {
        const CLAUSE: &str = "a key, all, has, hasRoles, not or (";
        let before_key = self.lexer;
        let key = self.take_key(CLAUSE)?;
        let Some(operator) = take_operator(&mut self.lexer) else {
            if ["and", "or"].iter().any(|word| key.eq_ignore_ascii_case(word)) {
                return Err(before_key.expected(CLAUSE));
            }
            let expected =
                format!("an operator (is, eq, ne, in, matches) after key {}", excerpt(key));
            return Err(self.lexer.expected(expected));
        };
        match operator {
            Operator::Is => one(&mut self.lexer).and_then(|value| self.among(key, vec![value])),
            Operator::Ne => one(&mut self.lexer)
                .and_then(|value| self.among(key, vec![value]))
                .map(Expr::negated),
            Operator::In => list(&mut self.lexer).and_then(|values| self.among(key, values)),
            Operator::Matches => self.matches(key),
        }
    }

    fn among(&self, key: &str, values: Vec<Value>) -> Parsed<Expr> {
        if key == ROLES {
            let sets: Parsed<Vec<Set>> =
                values.into_iter().map(|value| self.roles(&value)).collect();
            return sets.map(Expr::RolesAmong);
        }
        Ok(Expr::Among { key: key.to_owned(), values: strings(values) })
    }

    /// The roles that stand in one value.
    fn roles(&self, value: &Value) -> Parsed<Set> {
        let mut lexer = Lexer::new(&value.text);
        let roles = if lexer.at_end() { Ok(Vec::new()) } else { list(&mut lexer) };
        match roles {
            Ok(roles) if lexer.at_end() => Ok(strings(roles)),
            _ => {
                let message = format!(r#"{ROLES} takes a list of quoted roles such as '"a","b"'"#);
                Err(self.lexer.error(value.at, message))
            }
        }
    }

    fn matches(&mut self, key: &str) -> Parsed<Expr> {
        let value = one(&mut self.lexer)?;
        let pattern = self
            .patterns
            .compile(&value.text)
            .map_err(|reason| self.lexer.error(value.at, reason))?;
        Ok(Expr::Matches { key: key.to_owned(), pattern })
    }
}

fn take_operator(lexer: &mut Lexer<'_>) -> Option<Operator> {
    const OPERATORS: [(&str, Operator); 5] = [
        ("is", Operator::Is),
        ("eq", Operator::Is),
        ("ne", Operator::Ne),
        ("in", Operator::In),
        ("matches", Operator::Matches),
    ];
    let word = lexer.word_before_bracket();
    let (_, operator) = OPERATORS.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name))?;
    lexer.advance(word.len());
    Some(operator)
}

fn one(lexer: &mut Lexer<'_>) -> Parsed<Value> {
    lexer.take_value()?.ok_or_else(|| lexer.expected("a quoted value"))
}

/// One or more values, with brackets around them or without.
fn list(lexer: &mut Lexer<'_>) -> Parsed<Vec<Value>> {
    let close = [('[', ']'), ('{', '}')]
        .into_iter()
        .find(|(open, _)| lexer.take(*open))
        .map(|(_, close)| close);
    let mut values = vec![one(lexer)?];
    loop {
        let comma = lexer.take(',');
        match lexer.take_value()? {
            Some(value) => values.push(value),
            None if comma => return Err(lexer.expected("a quoted value after the comma")),
            None => break,
        }
    }
    if let Some(close) = close.filter(|close| !lexer.take(*close)) {
        return Err(lexer.expected(format!("a quoted value, a comma or {close}")));
    }
    Ok(values)
}

fn strings(values: Vec<Value>) -> Set {
    values.into_iter().map(|value| value.text).collect()
}

fn join(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 { parts.swap_remove(0) } else { many(parts) }
}
