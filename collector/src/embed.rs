//! The `[embed]` table of the configuration: which other sites may show one panel of ours in a frame. Nobody, unless it says so.
//!
//! Standard: `frame-ancestors` of Content Security Policy Level 3. Only `/embed` may be framed, which has no buttons that change
//! anything; every other page never may (clickjacking).

use serde::Deserialize;

/// Sites at most.
const MOST_SITES: usize = 50;
/// Letters of one at most.
const MOST_LETTERS: usize = 200;

/// Who may show a panel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Origins, each as a policy writes it.
    sites: Vec<String>,
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    sites: Option<toml::Spanned<Vec<String>>>,
}

impl Settings {
    /// The sources of `frame-ancestors`.
    pub fn frame_ancestors(&self) -> String {
        if self.sites.is_empty() {
            "'none'".to_owned()
        } else {
            self.sites.join(" ")
        }
    }
}

impl Table {
    /// The settings it asks for.
    ///
    /// # Errors
    /// Offset in the text, and what is wrong there.
    pub fn resolve(self) -> Result<Settings, (usize, String)> {
        let Some(written) = self.sites else {
            return Ok(Settings::default());
        };
        let at = written.span().start;
        let sites = written.into_inner();
        if sites.len() > MOST_SITES {
            return Err((
                at,
                format!("embed.sites names more than {MOST_SITES} sites; write fewer"),
            ));
        }
        let sites = sites.into_iter().map(|site| {
            let origin = match site.as_str() {
                "self" => Some("'self'".to_owned()),
                _ => is_origin(&site).then(|| site.clone()),
            };
            origin.ok_or_else(|| {
                let reason = format!(
                    "embed.sites: {site:?} is not a site; write \"https://wiki.example.org\", or \"self\" for this collector"
                );
                (at, reason)
            })
        });
        Ok(Settings {
            sites: sites.collect::<Result<_, _>>()?,
        })
    }
}

/// `https://host` or `http://host:port`: nothing in it may end the directive or the header.
fn is_origin(site: &str) -> bool {
    let rest = site
        .strip_prefix("https://")
        .or_else(|| site.strip_prefix("http://"));
    let Some(authority) = rest.filter(|_| site.len() <= MOST_LETTERS) else {
        return false;
    };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().is_ok()),
        None => (authority, true),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    port && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
        let settings = table.resolve().map_err(|(_, reason)| reason)?;
        Ok(settings.frame_ancestors())
    }

    #[test]
    fn nobody_unless_named_and_only_sites() {
        assert_eq!(read("").as_deref(), Ok("'none'"));
        assert_eq!(read("sites = []").as_deref(), Ok("'none'"));
        assert_eq!(
            read(r#"sites = ["self", "https://wiki.example.org", "http://localhost:3000"]"#).as_deref(),
            Ok("'self' https://wiki.example.org http://localhost:3000")
        );
        for bad in [
            "*",
            "https:",
            "https://*",
            "https://a; script-src *",
            "https://a b",
            "https://a/path",
            "https://a:99999",
            "https://",
            "wiki.example.org",
        ] {
            let text = format!("sites = [{bad:?}]");
            assert!(
                read(&text).is_err_and(|reason| reason.contains("is not a site")),
                "{bad}"
            );
        }
        assert!(read("site = []").is_err());
    }
}
