//! What commands that ask a running collector show it: an API token, read from a file, never from the command line, where every
//! user of the host could read it. Says what to do about a refusal. Not for the commands that use the socket in the data
//! directory: who may open that administers.
//!
//! Standard: RFC 6750 for the header.

use std::path::{Path, PathBuf};

use clap::Args;

/// The variable that names the file when the flag does not.
const VARIABLE: &str = "AZIMUTH_TOKEN_FILE";
/// Longest file that is one.
const LONGEST_BYTES: usize = 4_096;

/// Flags of a command that asks over HTTP.
#[derive(Debug, Clone, Default, Args)]
pub struct CredentialArgs {
    /// File with an API token, for a collector that asks who one is; AZIMUTH_TOKEN_FILE says the same
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Show the token to another host, although it can be read on the way
    #[arg(long)]
    insecure_token_anyway: bool,
}

/// What is shown, and where it came from.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credential {
    token: Option<(String, PathBuf)>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = self.token.as_ref().map(|(_, file)| file);
        f.debug_struct("Credential").field("file", &file).finish()
    }
}

impl CredentialArgs {
    /// Reads the token, if one is named. `is_this_machine`: whether it stays here.
    ///
    /// # Errors
    /// When there is no token in the file, or it would go over a network in the clear.
    pub fn read(&self, is_this_machine: bool) -> Result<Credential, String> {
        let by_variable = || {
            std::env::var_os(VARIABLE)
                .filter(|named| !named.is_empty())
                .map(PathBuf::from)
        };
        let Some(file) = self.token_file.clone().or_else(by_variable) else {
            return Ok(Credential::default());
        };
        let shown = file.display();
        let text = std::fs::read_to_string(&file).map_err(|error| format!("token file {shown}: {error}"))?;
        // The first line: `api-token create >FILE` may have told more.
        let token = text.lines().next().unwrap_or_default().trim();
        if token.is_empty()
            || token.len() > LONGEST_BYTES
            || !token.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(format!(
                "token file {shown} holds no token; `azimuth-collector api-token create NAME --role ROLE` prints one"
            ));
        }
        if !is_this_machine && !self.insecure_token_anyway {
            return Err(format!(
                "the token of {shown} could be read on the way; ask on the collector's host, or through a tunnel (ssh -L), or say \
                 --insecure-token-anyway"
            ));
        }
        Ok(Credential {
            token: Some((token.to_owned(), file)),
        })
    }
}

impl Credential {
    /// The value of the `Authorization` header, if there is one to send.
    pub fn header(&self) -> Option<String> {
        self.token.as_ref().map(|(token, _)| format!("Bearer {token}"))
    }

    /// What to do about an answer with this status; nothing where another token would not help.
    pub fn remedy(&self, status: u16) -> Option<String> {
        let file = self.token.as_ref().map(|(_, file)| file.as_path());
        let named = |file: &Path| file.display().to_string();
        match (status, file) {
            (401, None) => Some(format!(
                "this collector asks who one is: name a file with a token in --token-file or {VARIABLE}; `azimuth-collector api-token create \
                 NAME --role ROLE` on its host makes one"
            )),
            (401, Some(file)) => Some(format!(
                "the token of {} is wrong, revoked or has ended; `azimuth-collector api-token list` on its host names those there are",
                named(file)
            )),
            (403, Some(file)) => Some(format!(
                "the token of {} may not do this; make one with the role that is asked for (`azimuth-collector api-token create NAME --role \
                 ROLE`)",
                named(file)
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, is_this_machine: bool, anyway: bool) -> Result<Credential, String> {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let file = directory.path().join("token");
        std::fs::write(&file, text).expect("writable");
        let args = CredentialArgs {
            token_file: Some(file),
            insecure_token_anyway: anyway,
        };
        args.read(is_this_machine)
    }

    #[test]
    fn a_token_is_the_first_line_of_a_file_and_is_not_shown_to_the_network() {
        let read_here = read("azt_1\nshown only now\n", true, false).expect("a token");
        assert_eq!(read_here.header().as_deref(), Some("Bearer azt_1"));
        assert!(!format!("{read_here:?}").contains("azt_1"));
        assert!(read("azt_1", false, true).is_ok());
        for (text, here, why) in [
            ("azt_1", false, "--insecure-token-anyway"),
            ("", true, "holds no token"),
            ("\nazt_1", true, "holds no token"),
            ("a b", true, "holds no token"),
            ("é", true, "holds no token"),
        ] {
            let error = read(text, here, false).expect_err(text);
            assert!(error.contains(why), "{error}");
        }
        let missing = CredentialArgs {
            token_file: Some("/no/such/file".into()),
            ..CredentialArgs::default()
        };
        assert!(missing.read(true).expect_err("missing").contains("/no/such/file"));
    }

    #[test]
    fn each_refusal_has_its_remedy() {
        let (none, some) = (
            Credential::default(),
            read("azt_1", true, false).expect("a token"),
        );
        let remedy = |credential: &Credential, status| credential.remedy(status).unwrap_or_default();
        assert!(remedy(&none, 401).contains("--token-file"));
        assert!(remedy(&some, 401).contains("revoked"));
        assert!(remedy(&some, 403).contains("--role"));
        assert_eq!(
            (remedy(&some, 503), remedy(&none, 403)),
            (String::new(), String::new())
        );
    }
}
