//! Defaults, file, environment and flags: what counts, where it is said to come from, and that the table of keys is whole.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use antiphon_server::Config;
use antiphon_server::config::Flag;
use antiphon_server::config::Key;
use antiphon_server::config::Layers;
use antiphon_server::config::Loaded;
use antiphon_server::config::Source;
use antiphon_server::config::default_file;
use antiphon_server::config::initial_file;
use antiphon_server::config::key_table;
use antiphon_server::config::keys;
use proptest::prelude::*;
use proptest::sample::subsequence;

/// Values in TOML of all types that there are; each key takes some of them.
const VALUES: [&str; 24] = [
    "\"same\"",
    "16000",
    "[\"10.0.0.0/8\", \"::1\"]",
    "2000000",
    "3000000",
    "7",
    "true",
    "false",
    "\"9s\"",
    "\"300ms\"",
    "\"127.0.0.2:9\"",
    "\"[::1]:9\"",
    "\"round-robin\"",
    "\"sticky\"",
    "\"text\"",
    "\"json\"",
    "\"/a/b.pem\"",
    "[\"a\", \"b\"]",
    "[\"[::1]:9\", \"a.example:9\"]",
    "\"warn\"",
    "\"optional\"",
    "\"uri\"",
    "{ \"a.b\" = \"value\" }",
    "{ \"CN=a\" = [\"x\", \"y\"], b = [\"z\"] }",
];

/// What else an entry of a list must have.
fn companions(list: &str) -> &'static [(&'static str, &'static str)] {
    match list {
        "listener" => &[
            ("address", "\"127.0.0.1:1\""),
            ("certificate", "\"/certificate.pem\""),
            ("key", "\"/key.pem\""),
            ("client_ca", "\"/clients.pem\""),
            ("client_certificates", "\"required\""),
        ],
        "path" => &[("path", "\"x\"")],
        _ => panic!("nothing is known of the list {list}"),
    }
}

/// What else there must be for a key that is in no list: a cluster listens, and with TLS it needs all of it.
fn beside(key: &Key) -> Vec<(&'static str, &'static str)> {
    let of_cluster = [
        ("cluster.listen", "[\"127.0.0.1:1\"]"),
        ("cluster.certificate", "\"/node.pem\""),
        ("cluster.key", "\"/node.key\""),
        ("cluster.ca", "\"/ca.pem\""),
    ];
    let is_other =
        |(name, _): &(&str, &str)| key.name().starts_with("cluster.") && *name != key.name();
    of_cluster.into_iter().filter(is_other).collect()
}

/// A file that holds one value, and what else there must be.
fn file_with(key: &Key, value: &str) -> String {
    let Some(list) = key.list() else {
        let others = beside(key).into_iter().chain([(key.name(), value)]);
        return others.map(|(name, value)| format!("{name} = {value}\n")).collect();
    };
    let field = &key.name()[list.len() + 1..];
    let others = companions(list).iter().filter(|(name, _)| *name != field);
    let others: Vec<_> = others.map(|(name, value)| format!("{name} = {value}\n")).collect();
    format!("[[{list}]]\n{field} = {value}\n{}", others.concat())
}

/// The same in the environment.
fn environment_with(key: &Key, value: &str) -> Vec<(String, String)> {
    let mut environment = vec![(key.variable(), bare(value))];
    let variable = |name: &str| format!("ANTIPHON_{}", name.replace('.', "_").to_ascii_uppercase());
    environment.extend(beside(key).into_iter().map(|(name, value)| (variable(name), bare(value))));
    if let Some(list) = key.list() {
        for (name, value) in companions(list) {
            let name = variable(&format!("{list}.0.{name}"));
            if name != key.variable() {
                environment.push((name, bare(value)));
            }
        }
    }
    environment
}

/// A value as it is written in the environment.
fn bare(value: &str) -> String {
    let table: toml::Table = toml::from_str(&format!("value = {value}")).unwrap();
    let text =
        |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let items = |value: &toml::Value| -> Vec<_> {
        value.as_array().map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect())
    };
    let pairs = |(key, value): (&String, &toml::Value)| -> Vec<_> {
        items(value).into_iter().map(|item| format!("{key}={item}")).collect()
    };
    match &table["value"] {
        toml::Value::Table(table) => table.iter().flat_map(pairs).collect::<Vec<_>>().join(","),
        value => items(value).join(","),
    }
}

fn environment(variables: Vec<(String, String)>) -> Layers {
    Layers { environment: variables, ..Layers::default() }
}

fn values(loaded: &Loaded) -> BTreeMap<String, Option<String>> {
    let portable = |value: String| portable(&value);
    loaded.values().into_iter().map(|value| (value.key, value.value.map(portable))).collect()
}

/// A value without the temporary folder of the file, in which the files are that it names.
fn portable(value: &str) -> String {
    let mut value = value.to_owned();
    while let Some(place) = value.find("/.tmp") {
        let begin = value[..place].rfind('"').unwrap() + 1;
        let end = place + 1 + value[place + 1..].find('/').unwrap() + 1;
        value.replace_range(begin..end, "");
    }
    value
}

/// What a file with this text gives, if it is valid.
fn from_text(text: &str) -> Option<Loaded> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("antiphon.toml");
    fs::write(&path, text).unwrap();
    Layers { file: Some(path), ..Layers::default() }.load().ok()
}

#[test]
fn every_key_can_be_set_by_file_and_by_environment_alike() {
    for key in keys() {
        let mut changes = 0;
        for value in VALUES {
            let Some(file) = from_text(&file_with(key, value)) else { continue };
            let variables = environment(environment_with(key, value)).load();
            let variables = variables.unwrap_or_else(|error| panic!("{}: {error}", key.name()));
            assert_eq!(values(&file), values(&variables), "{} = {value}", key.name());
            assert!(variables.warnings.is_empty(), "{:?}", variables.warnings);
            changes += usize::from(values(&file) != values(&Layers::default().load().unwrap()));
        }
        assert!(changes > 0, "{} cannot be set", key.name());
    }
}

#[test]
fn relative_names_are_relative_to_the_file_and_in_the_environment_to_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("antiphon.toml");
    let text = "[security]\nstore = \"security.toml\"\n\
        [security.jwt]\nkeys = [\"keys/a.pem\", \"/b.pem\"]\nsecret = \"../secret\"\n\
        [security.webhook]\nca = \"ca.pem\"\n[audit]\nfile = \"audit.log\"\n\
        [[listener]]\naddress = \"127.0.0.1:1\"\ncertificate = \"server.pem\"\nkey = \"/server.key\"\n";
    fs::write(&path, text).unwrap();
    let environment = vec![("ANTIPHON_SECURITY_WEBHOOK_CA".to_owned(), "other.pem".to_owned())];
    let layers = Layers { file: Some(path), environment, ..Layers::default() };
    let Config { security, audit, listeners, .. } = layers.load().unwrap().config;
    let here = |name: &str| folder.path().join(name);
    assert_eq!(security.store, Some(here("security.toml")));
    assert_eq!(security.jwt.keys, [here("keys/a.pem"), "/b.pem".into()]);
    assert_eq!(security.jwt.secret, Some(here("../secret")));
    assert_eq!(security.webhook.ca, Some("other.pem".into()));
    assert_eq!(audit.file, Some(here("audit.log")));
    assert_eq!(listeners[0].certificate, Some(here("server.pem")));
    assert_eq!(listeners[0].key, Some("/server.key".into()));
}

#[test]
fn the_initial_file_has_a_store_and_listens_on_this_host_alone() {
    let loaded = from_text(&initial_file()).unwrap();
    let said: Vec<_> =
        loaded.values().into_iter().filter(|value| value.source != Source::Default).collect();
    let said: Vec<_> = said
        .iter()
        .map(|value| (value.key.as_str(), value.value.as_deref().map(portable)))
        .collect();
    let expected = |text: &str| Some(text.to_owned());
    assert_eq!(
        said,
        [
            ("security.store", expected("\"security.toml\"")),
            ("listener.0.address", expected("\"127.0.0.1:8080\"")),
        ]
    );
}

#[test]
fn names_are_their_own() {
    let names: BTreeSet<_> = keys().iter().map(Key::name).collect();
    let variables: BTreeSet<_> = keys().iter().map(Key::variable).collect();
    assert_eq!((names.len(), variables.len()), (keys().len(), keys().len()));
}

#[test]
fn the_default_file_says_what_the_defaults_are() {
    let file = default_file();
    let defaults = values(&Layers::default().load().unwrap());
    let loaded = from_text(&file).unwrap();
    assert_eq!(values(&loaded), defaults);
    assert!(loaded.values().iter().all(|value| value.source == Source::Default));
    // With every setting in effect, all that is no example is still a default.
    let effective: Vec<_> = file
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting,
            _ => line,
        })
        .collect();
    let loaded = from_text(&effective.join("\n")).unwrap();
    let shown = values(&loaded);
    for key in keys() {
        let name = match key.list() {
            Some(list) => format!("{list}.0{}", &key.name()[list.len()..]),
            None => key.name().to_owned(),
        };
        assert!(loaded.sources.contains_key(&name), "{name} is not in the default file");
        if key.example().is_none() {
            assert_eq!(shown[&name], defaults[&name], "{name}");
        }
    }
}

#[test]
fn the_documentation_has_the_table_of_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- keys -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /keys -->").unwrap();
    let expected = format!("{before}<!-- keys -->\n{}<!-- /keys -->{after}", key_table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert!(page == expected, "the table of keys is not up to date; UPDATE_DOCS=1 writes it");
}

fn layers() -> impl Strategy<Value = [Vec<(usize, &'static str)>; 3]> {
    let plain: Vec<_> = keys()
        .iter()
        .enumerate()
        .filter(|(_, key)| key.list().is_none())
        .flat_map(|(index, key)| {
            let fits = |value: &&str| from_text(&file_with(key, value)).is_some();
            VALUES.into_iter().filter(fits).map(move |value| (index, value))
        })
        .collect();
    let layer = || subsequence(plain.clone(), 0..8);
    [layer(), layer(), layer()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_highest_layer_counts_and_is_named(layers in layers()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("antiphon.toml");
        // A key stands in a file once.
        let [file, environment, flags] = layers.map(|layer| layer.into_iter().collect::<BTreeMap<_, _>>());
        let lines: Vec<_> =
            file.iter().map(|(key, value)| format!("{} = {value}\n", keys()[*key].name())).collect();
        fs::write(&path, lines.concat()).unwrap();
        let sources = Layers {
            file: Some(path),
            environment: environment
                .iter()
                .map(|(key, value)| (keys()[*key].variable(), bare(value)))
                .collect(),
            flags: flags
                .iter()
                .map(|(key, value)| Flag {
                    name: "--flag".to_owned(),
                    key: keys()[*key].name().to_owned(),
                    value: bare(value),
                })
                .collect(),
            foreign: Vec::new(),
        };
        let Ok(loaded) = sources.load() else { return Err(TestCaseError::reject("sizes that do not fit")) };
        let defaults = values(&Layers::default().load().unwrap());
        for found in loaded.values() {
            let index = keys().iter().position(|key| key.name() == found.key);
            let said = index.and_then(|index| {
                let flag = flags.get(&index).map(|value| (value, Source::Flag("--flag".to_owned())));
                let variable = environment
                    .get(&index)
                    .map(|value| (value, Source::Environment(keys()[index].variable())));
                flag.or(variable)
            });
            match (said, index.and_then(|index| file.get(&index))) {
                (Some((value, source)), _) => {
                    prop_assert_eq!(found.source, source);
                    prop_assert_eq!(bare(&portable(&found.value.unwrap())), bare(value));
                }
                (None, Some(value)) => {
                    let is_in_file = matches!(found.source, Source::File { .. });
                    prop_assert!(is_in_file, "{}", found.source);
                    prop_assert_eq!(bare(&portable(&found.value.unwrap())), bare(value));
                }
                (None, None) => {
                    prop_assert_eq!(found.source, Source::Default);
                    prop_assert_eq!(&found.value.as_deref().map(portable), &defaults[&found.key]);
                }
            }
        }
    }
}

#[test]
fn a_place_in_the_file_is_named_to_the_column() {
    let loaded =
        from_text("dev = false\n[limits]\n  sessions = 5\n[[path]]\npath = \"a\"").unwrap();
    let place = |key: &str| loaded.sources[key].to_string();
    assert!(
        place("limits.sessions").ends_with("antiphon.toml:3:14"),
        "{}",
        place("limits.sessions")
    );
    assert!(place("path.0.path").ends_with("antiphon.toml:5:8"), "{}", place("path.0.path"));
}

#[test]
fn the_environment_changes_entries_of_the_file_and_adds_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("antiphon.toml");
    fs::write(&path, "[[path]]\npath = \"a\"\ntimeout = \"1s\"").unwrap();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let layers = Layers {
        file: Some(path),
        environment: vec![
            variable("ANTIPHON_PATH_1_PATH", "b"),
            variable("ANTIPHON_PATH_0_TIMEOUT", "2s"),
            variable("ANTIPHON_THREADS", ""),
        ],
        ..Layers::default()
    };
    let config = layers.load().unwrap().config;
    let paths: Vec<_> = config.paths.iter().map(|rule| rule.path.as_str()).collect();
    assert_eq!(paths, ["a", "b"]);
    assert_eq!(config.paths[0].timeout.unwrap().as_secs(), 2);
    assert_eq!(config.threads, Config::default().threads, "an empty variable is none");

    let far = environment(vec![variable("ANTIPHON_PATH_5_PATH", "b")]).load().unwrap_err();
    assert!(far.to_string().contains("from 0 on"), "{far}");
    let nothing = environment(vec![variable("ANTIPHON_PATH_0_TIMEOUT", "1s")]).load().unwrap_err();
    assert!(nothing.to_string().contains("path.0.path is missing"), "{nothing}");
}

#[test]
fn a_flag_for_a_list_takes_its_place() {
    let flag = |index: usize, value: &str| Flag {
        name: "--listen".to_owned(),
        key: format!("listener.{index}.address"),
        value: value.to_owned(),
    };
    let layers = Layers {
        environment: vec![("ANTIPHON_LISTENER_0_ADDRESS".to_owned(), "127.0.0.1:1".to_owned())],
        flags: vec![flag(0, "127.0.0.1:2"), flag(1, "127.0.0.1:3")],
        ..Layers::default()
    };
    let addresses: Vec<_> = layers
        .load()
        .unwrap()
        .config
        .listeners
        .iter()
        .map(|listener| listener.address.port())
        .collect();
    assert_eq!(addresses, [2, 3]);
}

#[test]
fn a_variable_that_nobody_knows_is_a_warning_with_a_suggestion() {
    let variables = ["ANTIPHON_LIMITS_SESSION", "ANTIPHON_URL", "ANTIPHON_PORT_8080_TCP", "HOME"];
    let layers = Layers {
        environment: variables.map(|name| (name.to_owned(), "x".to_owned())).to_vec(),
        foreign: vec!["ANTIPHON_URL".to_owned()],
        ..Layers::default()
    };
    let warnings = layers.load().unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("did you mean ANTIPHON_LIMITS_SESSIONS?"), "{warnings:?}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let text = "threads = \"two\"\ncolour = 1\n[limits]\nsessions = 0\nsession = 2\n[[path]]\ntimeout = \"1s\"\n";
    let error = Config::parse(text).unwrap_err().to_string();
    assert_eq!(
        error,
        "\
line 1, column 11: threads is \"two\"; write a whole number from 0 to 9223372036854775807
line 2, column 1: unknown key colour; `antiphon config default` shows all keys
line 5, column 1: unknown key limits.session; did you mean limits.sessions?
line 6, column 1: path.0.path is missing; write it into the [[path]] table
line 4, column 12: limits.sessions is 0; choose at least 1, or leave the key out for its default"
    );
}

#[test]
fn an_error_in_the_environment_names_the_variable() {
    let variables = vec![("ANTIPHON_REQUEST_TIMEOUT".to_owned(), "10".to_owned())];
    let error = environment(variables).load().unwrap_err().to_string();
    assert_eq!(
        error,
        "ANTIPHON_REQUEST_TIMEOUT: request_timeout is \"10\"; write a duration such as \"300ms\", \"10s\", \"2m\" or \"1h\""
    );
}

#[test]
fn a_reload_takes_over_what_may_change_and_names_what_must_wait() {
    let old = Config::parse("threads = 1\nrequest_timeout = \"1s\"").unwrap();
    let new = Config::parse(
        "threads = 2\nrequest_timeout = \"2s\"\n[[path]]\npath = \"a\"\n[[listener]]\naddress = \"127.0.0.1:1\"",
    )
    .unwrap();
    let (config, waiting) = old.reloaded(&new);
    assert_eq!((config.threads, config.request_timeout.as_secs()), (1, 2));
    assert_eq!(config.paths.len(), 1);
    assert_eq!(config.listeners, old.listeners);
    assert_eq!(waiting, ["threads", "listener.address"]);
    let tls = "[[listener]]\naddress = \"127.0.0.1:1\"\nkey = \"k\"\ncertificate = ";
    let with = |certificate: &str| Config::parse(&format!("{tls}{certificate}")).unwrap();
    let (renewed, waiting) = with("\"a\"").reloaded(&with("\"b\""));
    assert_eq!(renewed.listeners, with("\"b\"").listeners);
    assert!(waiting.is_empty());
    assert!(config.reloaded(&config).1.is_empty());
}
