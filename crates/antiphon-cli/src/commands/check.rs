//! `antiphon check`: is a server well? For container health checks, so it needs neither a session nor a runtime.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::net::ToSocketAddrs;
use std::time::Duration;

use antiphon_server::config::Span;
use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Check whether a server is ready
///
/// Asks the address on which the server answers operators. It is not ready while it starts and while it drains. Any
/// problem is exit code 1, as container health checks want it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Host and port on which the server answers operators
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    operations: String,

    /// Ask only whether it is alive, which it also is while it starts or drains
    #[arg(long)]
    live: bool,

    /// Time limit for each step
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    timeout: Span,
}

const EXAMPLES: &str = "\
Examples:
  antiphon check                                 is the server on this host ready?
  antiphon check --live                          is it there at all?
  antiphon check --operations 10.0.0.7:8081      is another one ready?";

pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let Arguments { operations, live, timeout: Span(limit) } = arguments;
    let path = if *live { "/livez" } else { "/readyz" };
    match get(operations, path, *limit) {
        Ok((200, state)) => {
            output.line(format_args!("{state}"))?;
            Ok(Exit::Done)
        }
        Ok((code, state)) => {
            Err(Failure::usage(format!("the server at {operations} answers {code}: {state}")))
        }
        Err(problem) => Err(Failure::usage(format!(
            "nobody answers at {operations}: {problem}; \
             is this the server's `operations.listen`, and not its address for clients?"
        ))),
    }
}

/// The code and the first line of an answer over HTTP.
fn get(address: &str, path: &str, limit: Duration) -> io::Result<(u16, String)> {
    let mut problem = io::Error::other("the name has no address");
    for socket in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&socket, limit) {
            Ok(stream) => return ask(stream, (address, path), limit),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

fn ask(mut stream: TcpStream, of: (&str, &str), limit: Duration) -> io::Result<(u16, String)> {
    let (host, path) = of;
    // Zero would mean no limit.
    let limit = Some(limit.max(Duration::from_millis(1)));
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(limit)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let code = code.ok_or_else(|| io::Error::other("the answer is not HTTP"))?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((code, body.lines().next().unwrap_or_default().to_owned()))
}

/// In bytes; longer ones are cut.
const LONGEST_ANSWER: u64 = 16 << 10;
