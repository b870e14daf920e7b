//! What the broker costs.
//!
//!     antiphon-costs instructions            compare the instructions of hot paths with the figures that are kept
//!     antiphon-costs instructions --update   keep the figures of now
//!
//! | module | holds |
//! |---|---|
//! | `fleet` | a broker and its sessions |
//! | `cases` | the hot paths |
//! | `counting` | how instructions are counted |
//! | `figures` | the figures that are kept, and what differs from them |

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod cases;
mod counting;
mod figures;
mod fleet;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["instructions"] => figures::check(),
        ["instructions", "--update"] => figures::update(),
        ["case", name] => cases::run(name),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

const USAGE: &str = "usage: antiphon-costs instructions [--update]";
