//! What the broker costs.
//!
//!     antiphon-costs instructions            compare the instructions of hot paths with the figures that are kept
//!     antiphon-costs instructions --update   keep the figures of now
//!     antiphon-costs memory                  what sessions and handlers take, and how long a path is looked for
//!     antiphon-costs filters                 how long a request to a filter takes
//!
//! | module | holds |
//! |---|---|
//! | `fleet` | a broker and its sessions |
//! | `cases` | the hot paths |
//! | `counting` | how instructions are counted |
//! | `figures` | the figures that are kept, and what differs from them |
//! | `memory`, `filters` | what is not counted but measured, and depends on the machine |

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod cases;
mod counting;
mod figures;
mod filters;
mod fleet;
mod memory;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["instructions"] => figures::check(),
        ["instructions", "--update"] => figures::update(),
        ["memory"] => memory::measure(),
        ["filters"] => filters::measure(),
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

const USAGE: &str = "usage: antiphon-costs instructions [--update] | memory | filters";
