//! The first administrator: made when the collector is about to listen to others and nobody could log in. The password is shown
//! once and kept nowhere.

use std::io::Write;

use super::accounts::User;
use super::audit::Event;
use super::files::{AccessFiles, FileError};
use super::role::Role;
use super::secret;
use crate::utc::UtcInstant;

/// What the first administrator is called.
const NAME: &str = "admin";

/// Makes an administrator if there is none, and says so to `out`.
///
/// # Errors
/// When the accounts cannot be read or written: nobody is let in by mistake.
pub fn make_sure_of_an_administrator(
    files: &AccessFiles,
    now_unix_ms: u64,
    out: &mut dyn Write,
) -> Result<(), FileError> {
    if files.accounts()?.has_administrator() {
        return Ok(());
    }
    let password = secret::fresh_password().map_err(FileError::Refused)?;
    let password_hash = secret::hash_password(&password).map_err(FileError::Refused)?;
    let event = Event {
        at: UtcInstant::from_unix_ms(now_unix_ms),
        by: "azimuth-collector".to_owned(),
        from: "first start".to_owned(),
        what: "user_added".to_owned(),
        subject: NAME.to_owned(),
    };
    files.change(event, |accounts| {
        let user = User {
            role: Role::Administer,
            password_hash: Some(password_hash),
            created_at_unix_ms: now_unix_ms,
        };
        // A user of that name who could not log in, or not administer, is the one meant.
        if accounts.users.contains_key(NAME) {
            return accounts.change_user(NAME, |known| *known = user);
        }
        accounts.add_user(NAME, user)
    })?;
    // Shown once: where nobody reads it, `user password admin` makes another.
    let _ = writeln!(
        out,
        "\nThe first account, because others can reach this collector:\n\n    name      {NAME}\n    password  {password}\n\n\
         It is shown only now. `azimuth-collector user password {NAME}` makes another.\n"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_shown_once_and_can_log_in() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let files = AccessFiles::new(directory.path());
        let mut shown = Vec::new();
        make_sure_of_an_administrator(&files, 1, &mut shown).expect("made");
        let shown = String::from_utf8(shown).expect("text");
        let password = shown
            .split("password  ")
            .nth(1)
            .and_then(|rest| rest.lines().next());
        let accounts = files.accounts().expect("read");
        let hash = accounts.users["admin"]
            .password_hash
            .as_deref()
            .expect("a password");
        assert!(secret::is_password(password.expect("shown"), hash));
        let mut again = Vec::new();
        make_sure_of_an_administrator(&files, 2, &mut again).expect("nothing to do");
        assert!(again.is_empty());
        assert_eq!(files.accounts().expect("read"), accounts);
    }
}
