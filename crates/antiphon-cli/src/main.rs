//! The command `antiphon`. This file only chooses the subcommand and the exit code.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | wrong arguments or configuration |
//! | 2 | the server could not start, or its socket failed |
//! | 130 | ended at once by a second signal |

mod logging;
mod serve;
mod signals;

use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

/// Request-response messaging for the Diffusion SDKs.
#[derive(Parser)]
#[command(name = "antiphon", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Arguments),
}

fn main() -> ExitCode {
    let ended = Arguments::try_parse().and_then(|arguments| {
        logging::start();
        match arguments.command {
            Command::Serve(arguments) => serve::serve(arguments),
        }
    });
    match ended {
        Ok(code) => code,
        Err(error) => {
            // Help and version are errors to clap, but not to a shell. Nothing can be said if standard error is closed.
            let _ = error.print();
            ExitCode::from(u8::from(error.use_stderr()))
        }
    }
}
