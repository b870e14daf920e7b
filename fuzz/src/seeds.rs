//! Where the search begins: the golden messages of the wire crate's tests, read out of their sources so that there is
//! one home for them, and legal texts.

use antiphon_wire::websocket::put_masked_message;

/// What a target is first called with.
#[must_use]
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "frame" => streams(),
        "handshake" => quoted(CONNECTION).filter(|text| text.contains("v=")).map(bytes).collect(),
        "response" => hex_strings(GOLDEN).filter(|bytes| bytes[0] == b'#').collect(),
        "message" => hex_strings(GOLDEN).collect(),
        "service" => bodies(),
        "broker" => conversations(),
        "filter" => filters(),
        "configuration" => fenced(CONFIGURATION, "```toml").map(bytes).collect(),
        "script" => fenced(SCRIPTS, "```text").flat_map(scripts).collect(),
        "value" => values(),
        _ => Vec::new(),
    }
}

/// Each golden message as a client's frame, and all of them in one stream.
fn streams() -> Vec<Vec<u8>> {
    let framed = |message: &[u8]| {
        let mut stream = vec![7];
        put_masked_message(&mut stream, [1, 2, 3, 4], message);
        stream
    };
    hex_strings(GOLDEN).map(|message| framed(&message)).collect()
}

/// Each body, to be read as whatever it can be read as.
fn bodies() -> Vec<Vec<u8>> {
    let body = |message: Vec<u8>| message.get(3..).map(|body| [&[u8::MAX], body].concat());
    hex_strings(GOLDEN).filter_map(body).collect()
}

/// Each message from each session, and all messages of one file in a row.
fn conversations() -> Vec<Vec<u8>> {
    let said = |session: u8, message: &[u8]| {
        let length = u8::try_from(message.len()).ok()?;
        Some([&[session, length], message].concat())
    };
    let alone = (0..3)
        .flat_map(|session| hex_strings(GOLDEN).filter_map(move |message| said(session, &message)));
    let together = GOLDEN.iter().map(|source| {
        let messages = hex_strings(std::slice::from_ref(source)).enumerate();
        let said = messages.filter_map(|(index, message)| said((index % 3) as u8, &message));
        said.collect::<Vec<_>>().concat()
    });
    alone.chain(together).collect()
}

fn filters() -> Vec<Vec<u8>> {
    let raw = FILTERS.iter().flat_map(|source| source.split("r#\"").skip(1));
    raw.filter_map(|rest| rest.split_once("\"#")).map(|(filter, _)| bytes(filter)).collect()
}

/// Each string of hex digits of the SDK's tests as a value of each type.
fn values() -> Vec<Vec<u8>> {
    let typed = |value: Vec<u8>| (0..7).map(move |which| [&[which], &*value].concat());
    hex_strings(VALUES).flat_map(typed).collect()
}

/// The strings in `sources` that are hex digits, as the bytes that they mean; none of them is empty.
fn hex_strings<'s>(sources: &'s [&'static str]) -> impl Iterator<Item = Vec<u8>> + use<'s> {
    quoted(sources).filter_map(|text| {
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let read: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        (rest.is_empty() && !read.is_empty()).then_some(read)
    })
}

/// What stands between double quotes.
fn quoted<'s>(sources: &'s [&'static str]) -> impl Iterator<Item = &'static str> + use<'s> {
    sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2))
}

/// The code blocks of a document that begin with `fence`.
fn fenced(document: &'static str, fence: &str) -> impl Iterator<Item = &'static str> {
    document.split(fence).skip(1).filter_map(|rest| rest.split("```").next())
}

/// The whole script of a documentation comment, and each of its lines.
fn scripts(comment: &str) -> Vec<Vec<u8>> {
    let lines = comment.lines().filter_map(|line| line.strip_prefix("//! "));
    let whole = lines.clone().collect::<Vec<_>>().join("\n");
    lines.map(bytes).chain([bytes(&whole)]).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

macro_rules! sources {
    ($base:literal: $($file:literal),*) => {
        &[$(include_str!(concat!("../../crates/", $base, $file))),*]
    };
}

const GOLDEN: &[&str] = sources!["antiphon-wire/tests/golden/":
    "authenticator.rs", "connect.rs", "control.rs", "errors.rs", "events.rs", "filter.rs", "foreign.rs", "locks.rs", "messaging.rs",
    "registration.rs", "security.rs"];

const CONNECTION: &[&str] = sources!["antiphon-wire/tests/connection/":
    "credentials.rs", "parameters.rs", "properties.rs", "query.rs", "reconnection.rs", "version.rs"];

const FILTERS: &[&str] = sources!["antiphon-broker/":
    "src/filter/mod.rs", "tests/filter/errors.rs", "tests/filter/language.rs"];

const VALUES: &[&str] = sources!["antiphon/tests/values/": "golden.rs", "hostile.rs", "records.rs"];

const SCRIPTS: &str = include_str!("../../crates/antiphon-broker/src/access/script/mod.rs");

const CONFIGURATION: &str = include_str!("../../docs/configuration.md");
