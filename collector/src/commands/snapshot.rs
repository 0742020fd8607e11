//! `azimuth-collector snapshot`: the views that were kept, listed and deleted through the running collector's admin socket. They are
//! kept from the screens; what is in one is `crate::snapshot`'s.

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use super::fleet::{Where, conclude, list, remove};
use crate::snapshot::Kept;
use crate::utc::UtcInstant;

/// `snapshot`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// List the views that were kept, the newest first: id, when, by whom, bytes, what, address
    #[command(after_help = "\
Example:
  azimuth-collector snapshot list --data-dir /var/lib/azimuth")]
    List {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
    },
    /// Delete one: its link leads nowhere from then on
    Delete {
        /// Of which collector.
        #[command(flatten)]
        at: Where,
        /// Its id, as `snapshot list` shows it
        id: String,
    },
}

/// 0 done, 1 refused or not reached.
pub fn snapshot(command: &SnapshotCommand, out: &mut impl Write) -> ExitCode {
    conclude(match command {
        SnapshotCommand::List { at } => list(at, "/admin/snapshots", line, out),
        SnapshotCommand::Delete { at, id } => remove(at, "/admin/snapshots", id),
    })
}

/// Titles come from pages: nothing in them moves a terminal's cursor.
fn line(Kept { head, bytes }: &Kept) -> String {
    let plain = |text: &str| -> String { text.chars().filter(|letter| !letter.is_control()).collect() };
    format!(
        "{}  {}  {}  {} bytes  {}  {}",
        head.id,
        UtcInstant::from_unix_ms(head.created_unix_ms),
        plain(head.kept_by.as_deref().unwrap_or("-")),
        bytes,
        plain(&head.title),
        plain(&head.view)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Head;

    #[test]
    fn a_line_names_who_when_and_what_and_moves_no_cursor() {
        let head = Head {
            id: "0123456789abcdef01234567".to_owned(),
            title: "Brest\u{1b}[2J to Paris".to_owned(),
            view: "/pair?agent=brest".to_owned(),
            created_unix_ms: 0,
            kept_by: Some("anna".to_owned()),
        };
        assert_eq!(
            line(&Kept { head, bytes: 512 }),
            "0123456789abcdef01234567  1970-01-01T00:00:00Z  anna  512 bytes  Brest[2J to Paris  /pair?agent=brest"
        );
    }
}
