//! `azimuth-agent locate`: in which cloud this host stands, for a person, or for what writes a configuration.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::LocateArgs;
use crate::cloud::dmi::{DIRECTORY, Dmi};
use crate::cloud::{Labels, locate};

/// Says it.
///
/// # Errors
/// Why it is not known.
pub async fn run(args: &LocateArgs) -> anyhow::Result<ExitCode> {
    let given = Labels {
        provider: args.provider.clone(),
        region: args.region.clone(),
        zone: args.zone.clone(),
    };
    let found = locate(&Dmi::read(Path::new(DIRECTORY)), given, None).await?;
    if args.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        let shown = |label: &Option<String>| label.clone().unwrap_or_else(|| "?".to_owned());
        println!(
            "{}/{}/{}",
            shown(&found.provider),
            shown(&found.region),
            shown(&found.zone)
        );
        if found.zone.is_none() {
            println!("The provider does not tell its physical zone: say it with --zone if you know it.");
        }
    }
    Ok(ExitCode::SUCCESS)
}
