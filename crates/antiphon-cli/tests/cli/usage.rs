//! What every command has: help with examples, mistakes that are explained, completions and manual pages.

use insta::assert_snapshot;

use crate::process::Said;
use crate::process::Server;
use crate::process::antiphon;
use crate::process::check_refused;
use crate::process::run;

/// All commands.
const COMMANDS: [&[&str]; 51] = [
    &["demo"],
    &["serve"],
    &["request"],
    &["ask"],
    &["handle"],
    &["sessions"],
    &["filter"],
    &["filter", "check"],
    &["ping"],
    &["check"],
    &["drain"],
    &["close"],
    &["bench"],
    &["init"],
    &["config"],
    &["config", "check"],
    &["config", "print"],
    &["config", "default"],
    &["context"],
    &["context", "add"],
    &["context", "select"],
    &["context", "list"],
    &["context", "remove"],
    &["principal"],
    &["principal", "add"],
    &["principal", "passwd"],
    &["principal", "remove"],
    &["principal", "list"],
    &["principal", "roles"],
    &["role"],
    &["role", "list"],
    &["role", "show"],
    &["role", "add"],
    &["role", "remove"],
    &["role", "grant"],
    &["role", "revoke"],
    &["role", "set"],
    &["role", "clear"],
    &["role", "include"],
    &["role", "exclude"],
    &["role", "default"],
    &["access"],
    &["access", "explain"],
    &["access", "show"],
    &["access", "isolate"],
    &["access", "unisolate"],
    &["access", "anonymous"],
    &["access", "trust"],
    &["access", "distrust"],
    &["completions"],
    &["man"],
];

#[test]
fn version_and_help_are_not_errors() {
    let version = run(&["--version"]);
    assert!(version.status.success());
    let text = String::from_utf8(version.stdout).unwrap();
    assert_eq!(text, format!("antiphon {}\n", env!("CARGO_PKG_VERSION")));
    assert_snapshot!(Said::by(antiphon(&["--help"])), @"
    exit 0
    stdout:
    Request-response messaging: a server, and the tools to talk to it

    Usage: antiphon <COMMAND>

    Commands:
      demo         See what Antiphon does: a server and five sessions in this process ask each other things
      serve        Run a server
      init         Make the configuration and the security store of a new server
      config       Check, show or begin the configuration of a server
      request      Send a request to a path or a session and print the response
      ask          Send a request to every session that matches a filter
      handle       Answer requests to a path and all paths below it
      sessions     List the sessions that match a filter
      filter       Work with session filters
      ping         Measure how long the server takes to answer
      check        Check whether a server is ready
      drain        Make a server drain and end
      close        Close a session
      bench        Measure requests per second and their latency
      context      Keep settings of connections under names
      principal    Manage who may log in
      role         Manage what roles permit
      access       Manage what holds for all sessions, and ask who may do what
      completions  Print a script that completes commands in a shell
      man          Print the manual page, or write the pages of all commands
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Examples:
      antiphon demo                          see in two seconds what it does
      antiphon serve --dev                   start a server to try things out
      antiphon request greetings world       ask whoever handles a path
      antiphon ask all greetings world       ask everybody

    Every flag can also be set by the environment: ANTIPHON_URL for --url, ANTIPHON_BENCH_SECONDS for the flag --seconds of
    `bench`, and every key of a server's configuration, ANTIPHON_PING_PERIOD for ping_period. `antiphon context` keeps
    settings of connections under a name. ANTIPHON_LOG sets what is logged, such as debug.

    Exit codes: 0 done, 1 usage, 2 no connection, 3 not allowed, 4 no handler, 5 handler error, 6 timed out, 7 session gone,
    8 bad filter or type, 9 overloaded, 10 partial, 11 nobody matched.
    ");
}

#[test]
fn every_command_has_help_with_examples() {
    for command in COMMANDS {
        let help = run(&[command, &["--help"]].concat());
        assert!(help.status.success(), "{command:?}");
        let text = String::from_utf8(help.stdout).unwrap();
        let (_, examples) = text.split_once("Examples:\n").unwrap();
        let words = ["antiphon"].iter().chain(command).copied().collect::<Vec<_>>().join(" ");
        assert!(examples.contains(&words), "{command:?}: {examples}");
    }
}

#[test]
fn what_clients_share_is_in_their_help() {
    assert_snapshot!(Said::by(antiphon(&["ping", "-h"])), @"
    exit 0
    stdout:
    Measure how long the server takes to answer

    Usage: antiphon ping [OPTIONS]

    Options:
          --count <N>            How often to ask [default: 1]
          --interval <DURATION>  Time between two pings [default: 1s]
          --json                 Print one JSON object per result [env: ANTIPHON_JSON=]
      -h, --help                 Print help (see more with '--help')

    Connection:
          --url <URL>             Server to connect to [default: ws://ADDRESS] [env: ANTIPHON_URL=]
          --principal <NAME>      Who to log in as [default: nobody, an anonymous session] [env: ANTIPHON_PRINCIPAL=]
          --password <TEXT>       Password of the principal [env: ANTIPHON_PASSWORD]
          --password-file <FILE>  File with the password [env: ANTIPHON_PASSWORD_FILE]
          --property <KEY=VALUE>  Session property to propose; may be repeated [env: ANTIPHON_PROPERTY=]
          --ca <FILE>             Certificates to trust, in PEM [default: those of the system] [env: ANTIPHON_CA=]
          --cert <FILE>           Certificate to show to the server, in PEM [env: ANTIPHON_CERT=]
          --key <FILE>            Private key of the certificate, in PEM [env: ANTIPHON_KEY=]
          --timeout <DURATION>    Time limit for all of it, connecting and answers [default: 10s] [env: ANTIPHON_TIMEOUT=]
          --context <NAME>        Context that fills in what is not given [default: the selected one] [env: ANTIPHON_CONTEXT=]

    Examples:
      antiphon ping                                   is the server there?
      antiphon ping --count 100 --interval 10ms       how fast is it?
    ");
}

#[test]
fn the_environment_stands_for_every_flag() {
    let server = Server::dev();
    let mut command = server.client(&["ping"]);
    command.env("ANTIPHON_PING_COUNT", "2").env("ANTIPHON_PING_INTERVAL", "0s");
    command.env("ANTIPHON_JSON", "yes").env("ANTIPHON_HANDLE_COUNT", "nonsense");
    assert_snapshot!(Said::by(command), @r#"
    exit 0
    stdout:
    {"round_trip_us":N,"sequence":1}
    {"round_trip_us":N,"sequence":2}
    "#);
    let mut command = server.client(&["ping"]);
    command.env("ANTIPHON_JSON", "off");
    assert_eq!(Said::by(command).stdout, "1: SPAN\n");
}

#[test]
fn mistakes_are_explained() {
    check_refused(&["sreve"], 1, &["'serve'"]);
    check_refused(&["request"], 1, &["<PATH>"]);
    check_refused(&["ping", "--cuont", "1"], 1, &["'--count'"]);
    check_refused(&[], 1, &["Usage"]);
    check_refused(&["close", "x"], 1, &["16 hex digits"]);
    check_refused(&["ping", "--property", "x"], 1, &["KEY=VALUE"]);
    check_refused(&["handle", "x", "--echo", "--delay", "5"], 1, &["10s"]);
}

#[test]
fn shells_can_complete() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("request") && script.contains("password-file"), "{shell}");
    }
}

#[test]
fn there_is_a_manual() {
    let output = run(&["man"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains(".TH antiphon 1"));
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("man/man1");
    assert!(run(&["man", below.to_str().unwrap()]).status.success());
    for command in COMMANDS {
        let page = below.join(format!("antiphon-{}.1", command.join("-")));
        assert!(page.exists(), "{}", page.display());
    }
}
