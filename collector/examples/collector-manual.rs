//! Writes the manual pages and shell completions of `azimuth-collector` into a directory: `collector-manual DIR`. For packages; an example so
//! that the program itself does not carry it.

use std::error::Error;
use std::path::PathBuf;

use clap::{CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;

#[expect(dead_code, reason = "only its command line is of use here")]
#[path = "../src/main.rs"]
mod program;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("use: collector-manual DIR")?);
    let mut command = program::Arguments::command().name("azimuth-collector");
    std::fs::create_dir_all(&directory)?;
    clap_mangen::generate_to(command.clone(), &directory)?;
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut command, "azimuth-collector", &directory)?;
    }
    Ok(())
}
