//! Where the server is and who we are: flags, then the environment, then a context, then defaults.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use antiphon::Messaging;
use antiphon::ReconnectPolicy;
use antiphon::Session;
use antiphon::SessionBuilder;
use antiphon::TlsOptions;
use clap::Args;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio::time::timeout_at;

use crate::arguments::environment;
use crate::arguments::span::Span;
use crate::contexts::Contexts;
use crate::contexts::Settings;
use crate::failure::Failure;

/// What can be kept in a context.
#[derive(Args, Clone)]
#[command(next_help_heading = "Connection")]
pub(crate) struct SettingFlags {
    /// Server to connect to [default: ws://127.0.0.1:8080]
    #[arg(long, env = "ANTIPHON_URL", value_name = "URL", display_order = 800)]
    url: Option<String>,

    /// Who to log in as [default: nobody, an anonymous session]
    #[arg(long, env = "ANTIPHON_PRINCIPAL", value_name = "NAME", display_order = 801)]
    principal: Option<String>,

    /// Password of the principal
    ///
    /// Other users of this host can see the arguments of your programs. A file or the environment keeps it to you.
    #[arg(long, value_name = "TEXT", conflicts_with = "password_file", display_order = 802)]
    password: Option<String>,

    /// File with the password
    #[arg(long, value_name = "FILE", display_order = 803)]
    password_file: Option<PathBuf>,

    /// Session property to propose; may be repeated
    #[arg(
        long = "property",
        env = "ANTIPHON_PROPERTY",
        value_name = "KEY=VALUE",
        value_parser = property,
        display_order = 804
    )]
    properties: Vec<(String, String)>,

    /// Certificates to trust, in PEM [default: those of the system]
    #[arg(long, env = "ANTIPHON_CA", value_name = "FILE", display_order = 805)]
    ca: Option<PathBuf>,

    /// Certificate to show to the server, in PEM
    #[arg(long, env = "ANTIPHON_CERT", value_name = "FILE", display_order = 806)]
    cert: Option<PathBuf>,

    /// Private key of the certificate, in PEM
    #[arg(long, env = "ANTIPHON_KEY", value_name = "FILE", display_order = 807)]
    key: Option<PathBuf>,

    /// Time limit for all of it, connecting and answers [default: 10s]
    #[arg(long, env = "ANTIPHON_TIMEOUT", value_name = "DURATION", display_order = 808)]
    timeout: Option<Span>,
}

/// What every command that connects has.
#[derive(Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionFlags {
    #[command(flatten)]
    settings: SettingFlags,

    /// Context that fills in what is not given [default: the selected one]
    #[arg(long, env = "ANTIPHON_CONTEXT", value_name = "NAME", display_order = 809)]
    context: Option<String>,
}

/// A server and who to be there: everything that it takes to connect.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// For everything that a command does.
    pub(crate) timeout: Duration,
    principal: Option<String>,
    password: Option<String>,
    properties: BTreeMap<String, String>,
    tls: Option<TlsOptions>,
}

impl SettingFlags {
    /// As a context keeps them.
    pub(crate) fn settings(&self) -> Settings {
        let flags = self.clone();
        Settings {
            url: flags.url,
            principal: flags.principal,
            password: flags.password,
            password_file: flags.password_file,
            ca: flags.ca,
            cert: flags.cert,
            key: flags.key,
            timeout: flags.timeout,
            properties: flags.properties.into_iter().collect(),
        }
    }
}

impl ConnectionFlags {
    /// Puts together what is given in all places, and reads the files that it names.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        let variables = Settings {
            password: variable(environment::PASSWORD)?,
            password_file: env::var_os(environment::PASSWORD_FILE).map(PathBuf::from),
            ..Settings::default()
        };
        let context = Contexts::load()?.take(self.context.as_deref())?;
        Target::new(self.settings.settings().or(variables).or(context))
    }
}

impl Target {
    fn new(settings: Settings) -> Result<Self, Failure> {
        let tls = tls(&settings)?;
        let password = match (settings.password, settings.password_file) {
            (Some(password), _) => Some(password),
            (None, Some(path)) => Some(read_password(&path)?),
            (None, None) => None,
        };
        Ok(Self {
            url: settings.url.unwrap_or_else(|| DEFAULT_URL.to_owned()),
            timeout: settings.timeout.map_or(DEFAULT_TIMEOUT, |Span(timeout)| timeout),
            principal: settings.principal,
            password,
            properties: settings.properties,
            tls,
        })
    }

    /// A session with these settings, not open yet.
    pub(crate) fn builder(&self) -> SessionBuilder {
        let mut builder =
            Session::builder(&self.url).connect_timeout(self.timeout).request_timeout(self.timeout);
        if let Some(principal) = &self.principal {
            builder = builder.principal(principal);
        }
        if let Some(password) = &self.password {
            builder = builder.password(password);
        }
        for (key, value) in &self.properties {
            builder = builder.property(key, value);
        }
        match &self.tls {
            Some(tls) => builder.tls(tls.clone()),
            None => builder,
        }
    }

    /// Opens a session that ends with its connection, for a command that ends within the time limit.
    pub(crate) async fn visit(&self) -> Result<Visit, Failure> {
        let deadline = Instant::now() + self.timeout;
        let session = self.builder().reconnect(ReconnectPolicy::never()).connect().await?;
        Ok(Visit { session, deadline, timeout: self.timeout })
    }
}

/// A session for one command. Connecting has taken a part of its time.
pub(crate) struct Visit {
    pub(crate) session: Session,
    pub(crate) deadline: Instant,
    timeout: Duration,
}

impl Visit {
    /// For requests that end within the time limit.
    pub(crate) fn messaging(&self) -> Messaging {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.session.messaging().with_timeout(left)
    }

    /// Any other call, within the time limit.
    pub(crate) async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = |_| Failure::TimeOut(self.timeout);
        timeout_at(self.deadline, call).await.map_err(late).flatten()
    }

    /// Says goodbye. A server that does not answer is left without.
    pub(crate) async fn end(self) {
        let _ = timeout(GOODBYE, self.session.close()).await;
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not a property; write KEY=VALUE")),
    }
}

fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("{name} is not UTF-8; put it into a file instead")))
        }
    }
}

fn tls(settings: &Settings) -> Result<Option<TlsOptions>, Failure> {
    let mut tls = TlsOptions::new();
    if let Some(ca) = &settings.ca {
        let named = |error| Failure::usage(format!("--ca {}: {error}", ca.display()));
        tls = tls.root_certificates_pem(&read(ca)?).map_err(named)?;
    }
    match (&settings.cert, &settings.key) {
        (Some(cert), Some(key)) => {
            let (chain, secret) = (read(cert)?, read(key)?);
            let named = |error| {
                let (cert, key) = (cert.display(), key.display());
                Failure::usage(format!("--cert {cert} --key {key}: {error}"))
            };
            Ok(Some(tls.client_certificate_pem(&chain, &secret).map_err(named)?))
        }
        (None, None) => Ok(settings.ca.is_some().then_some(tls)),
        _ => Err(Failure::usage("--cert and --key go together; give both or neither")),
    }
}

pub(crate) fn read_password(path: &Path) -> Result<String, Failure> {
    let password = String::from_utf8(read(path)?)
        .map_err(|_| Failure::usage(format!("the password in {} is not UTF-8", path.display())))?;
    Ok(without_line_break(password))
}

/// A password as it was meant.
pub(crate) fn without_line_break(mut password: String) -> String {
    // Editors end files with a line break, which nobody means.
    if password.ends_with('\n') {
        password.pop();
        if password.ends_with('\r') {
            password.pop();
        }
    }
    password
}

/// A file that a flag, a variable or a context names.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

const DEFAULT_URL: &str = "ws://127.0.0.1:8080";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may take to confirm that a session is closed.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);
