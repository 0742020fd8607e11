//! `azimuth-collector config check`: says whether a configuration would be used, without opening a store or a socket.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{self, Flags};

/// Checks the file. 0 when it would be used, 2 when not, with every mistake found on standard error.
pub fn check(file: &Path, out: &mut dyn Write) -> ExitCode {
    let flags = Flags {
        config: Some(file.to_owned()),
        // Whether it is safe to listen there is a question for whoever serves.
        insecure_listen_anyway: true,
        ..Flags::default()
    };
    match config::load(&flags) {
        Ok(_) => {
            // A reader that left has nothing more to be told.
            let _ = writeln!(out, "{}: ok", file.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
