//! Writes the manual pages and shell completions of `azimuth-agent` into a directory: `agent-manual DIR`. For packages; an example so that the
//! program itself does not carry it.

use std::error::Error;
use std::path::PathBuf;

use clap::{CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("use: agent-manual DIR")?);
    let mut command = azimuth_agent::cli::Cli::command();
    std::fs::create_dir_all(&directory)?;
    clap_mangen::generate_to(command.clone(), &directory)?;
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut command, "azimuth-agent", &directory)?;
    }
    Ok(())
}
