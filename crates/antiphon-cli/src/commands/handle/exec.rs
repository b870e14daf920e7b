//! Answers by a program: the request goes in, what it prints comes out.

use std::io;
use std::process::ExitStatus;
use std::process::Stdio;

use antiphon::RequestContext;
use antiphon::Value;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::process::Command;

use crate::values;

/// Runs a shell command for one request; what it printed, or why the request is rejected. Dropping the future ends the
/// command.
pub(super) async fn run(
    command: &str,
    request: &Value,
    context: &RequestContext,
) -> Result<Vec<u8>, String> {
    let cannot_run = |error: io::Error| format!("the command cannot be run: {error}");
    let mut child = prepare(command, request, context).spawn().map_err(cannot_run)?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(input), Some(output), Some(errors)) = (input, output, errors) else {
        return Err("the command has no pipes".to_owned());
    };
    let bytes = match request {
        Value::Binary(bytes) => bytes.to_vec(),
        other => values::text(other).into_bytes(),
    };
    let ((), printed, complaint, status) =
        tokio::try_join!(feed(input, &bytes), read(output), read(errors), async {
            child.wait().await.map_err(cannot_run)
        },)?;
    if status.success() { Ok(printed) } else { Err(rejection(&complaint, status)) }
}

fn prepare(command: &str, request: &Value, context: &RequestContext) -> Command {
    let mut shell = shell();
    shell
        .arg(command)
        .env("ANTIPHON_PATH", context.path())
        .env_remove("ANTIPHON_REQUEST")
        .env_remove("ANTIPHON_SENDER")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(sender) = context.sender() {
        shell.env("ANTIPHON_SENDER", sender.to_string());
    }
    let text = values::text(request);
    // Systems refuse to start a program with more, or with NUL in it; standard input has all of it.
    if text.len() <= LONGEST_VARIABLE && !text.contains('\0') && !is_binary(request) {
        shell.env("ANTIPHON_REQUEST", text);
    }
    shell
}

#[cfg(not(windows))]
fn shell() -> Command {
    let mut shell = Command::new("sh");
    // Ctrl-C is for the handler, which lets its commands finish.
    #[cfg(unix)]
    shell.process_group(0);
    shell.arg("-c");
    shell
}

#[cfg(windows)]
fn shell() -> Command {
    let mut shell = Command::new("cmd");
    shell.arg("/C");
    shell
}

fn is_binary(request: &Value) -> bool {
    matches!(request, Value::Binary(_))
}

/// Writes the request and closes the pipe.
async fn feed(mut input: ChildStdin, bytes: &[u8]) -> Result<(), String> {
    match input.write_all(bytes).await {
        // Commands need not read what they are given.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("the command takes no input: {error}"))
        }
        _ => Ok(()),
    }
}

async fn read(pipe: impl AsyncRead + Unpin) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = pipe.take(MOST_OUTPUT + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| format!("the output of the command cannot be read: {error}"))?;
    if bytes.len() as u64 > MOST_OUTPUT {
        return Err(format!("the command printed more than {MOST_OUTPUT} bytes"));
    }
    Ok(bytes)
}

fn rejection(complaint: &[u8], status: ExitStatus) -> String {
    let complaint = String::from_utf8_lossy(complaint);
    match complaint.trim() {
        "" => format!("the command failed: {status}"),
        text => text.to_owned(),
    }
}

/// Linux allows 128 KiB for one variable, others less for all together.
const LONGEST_VARIABLE: usize = 32 * 1024;

/// More than servers take in a message, unless they are told to.
const MOST_OUTPUT: u64 = 16 << 20;
