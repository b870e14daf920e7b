//! One question to the address on which a server answers operators. Neither a session nor a runtime is needed for it.

use std::io;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::net::ToSocketAddrs;
use std::time::Duration;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// Whether it only asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    /// It does.
    Get,
    /// It wants something changed.
    Post,
}

/// Asks, and prints the first line of the answer if it has the code that means success.
pub(crate) fn tell(
    address: &str,
    question: (Method, &str, u16),
    limit: Duration,
    output: Output,
) -> Result<Exit, Failure> {
    let answer = fetch(address, question, limit)?;
    output.line(first_line(&answer))?;
    Ok(Exit::Done)
}

/// The answer, if it has the code that means success.
pub(crate) fn fetch(
    address: &str,
    (method, path, success): (Method, &str, u16),
    limit: Duration,
) -> Result<String, Failure> {
    let (code, answer) = ask(address, method, path, limit).map_err(|problem| {
        Failure::usage(format!(
            "nobody answers at {address}: {problem}; \
             is this the server's `operations.listen`, and not its address for clients?"
        ))
    })?;
    if code != success {
        let answer = first_line(&answer);
        return Err(Failure::usage(format!("the server at {address} answers {code}: {answer}")));
    }
    Ok(answer)
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

/// The code and the text of an answer over HTTP.
///
/// # Errors
/// What stands in the way of one.
fn ask(address: &str, method: Method, path: &str, limit: Duration) -> io::Result<(u16, String)> {
    let mut problem = io::Error::other("the name has no address");
    for socket in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&socket, limit) {
            Ok(stream) => return converse(stream, method, (address, path), limit),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

fn converse(
    mut stream: TcpStream,
    method: Method,
    of: (&str, &str),
    limit: Duration,
) -> io::Result<(u16, String)> {
    let (host, path) = of;
    // Zero would mean no limit.
    let limit = Some(limit.max(Duration::from_millis(1)));
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(limit)?;
    let line = match method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    write!(
        stream,
        "{line} {path} HTTP/1.1\r\nHost: {host}\r\nAntiphon-Operation: cli\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let code = code.ok_or_else(|| io::Error::other("the answer is not HTTP"))?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((code, body.to_owned()))
}

/// In bytes; longer ones are cut.
const LONGEST_ANSWER: u64 = 1 << 20;
