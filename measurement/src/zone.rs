//! An availability zone's identity. Never the bare id: `eu-west-2` is Alibaba Paris, AWS London and Outscale Paris.
//!
//! On every wire, screen and URL a zone is written `provider/region/zone`. Ids are opaque and may contain `/` themselves
//! (IONOS `fr/par`), so `/` and `%` inside an id are percent-encoded (RFC 3986, section 2.1) and nothing else is.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The longest provider, region or zone id, in bytes.
const MAX_ID_BYTES: usize = 64;

/// Provider, region and zone: the key under which everything about a zone is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneKey {
    provider: Box<str>,
    region: Box<str>,
    zone: Box<str>,
}

/// The text is not a zone key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ZoneKeyError {
    /// A part is empty, too long or holds a space or control character.
    #[error("{part} id {given:?} is not valid; use 1 to 64 bytes without spaces or control characters")]
    Part {
        /// Which of provider, region, zone.
        part: &'static str,
        /// What was given, cut to 80 characters.
        given: String,
    },
    /// A provider id is ours, so it is stricter.
    #[error("provider id {given:?} is not valid; use lower-case letters, digits and hyphens")]
    Provider {
        /// What was given, cut to 80 characters.
        given: String,
    },
    /// Not three parts.
    #[error("{given:?} is not a zone; write provider/region/zone, for example aws/eu-west-3/euw3-az1")]
    Shape {
        /// What was given, cut to 80 characters.
        given: String,
    },
    /// `%` not followed by `2F` or `25`.
    #[error("{given:?} holds a percent escape other than %2F (/) and %25 (%)")]
    Escape {
        /// What was given, cut to 80 characters.
        given: String,
    },
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

impl ZoneKey {
    /// Checks and joins the three ids as the provider writes them (no escapes).
    pub fn new(provider: &str, region: &str, zone: &str) -> Result<Self, ZoneKeyError> {
        for (part, id) in [("provider", provider), ("region", region), ("zone", zone)] {
            let fits = (1..=MAX_ID_BYTES).contains(&id.len())
                && !id.chars().any(|c| c.is_control() || c.is_whitespace());
            if !fits {
                return Err(ZoneKeyError::Part { part, given: cut(id) });
            }
        }
        if !provider
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(ZoneKeyError::Provider { given: cut(provider) });
        }
        Ok(Self {
            provider: provider.into(),
            region: region.into(),
            zone: zone.into(),
        })
    }

    /// The provider id, for example `ovhcloud`.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The region id as the provider writes it.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The physical zone id as the provider writes it (AZ ID, `physicalZone`, location code).
    pub fn zone(&self) -> &str {
        &self.zone
    }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, id: &str) -> fmt::Result {
    for c in id.chars() {
        match c {
            '/' => f.write_str("%2F")?,
            '%' => f.write_str("%25")?,
            other => fmt::Write::write_char(f, other)?,
        }
    }
    Ok(())
}

fn unescape(id: &str) -> Option<String> {
    let mut out = String::with_capacity(id.len());
    let mut rest = id;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        out.push(match after.get(..2)? {
            "2F" => '/',
            "25" => '%',
            _ => return None,
        });
        rest = &after[2..];
    }
    out.push_str(rest);
    Some(out)
}

impl fmt::Display for ZoneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, &self.provider)?;
        f.write_str("/")?;
        write_escaped(f, &self.region)?;
        f.write_str("/")?;
        write_escaped(f, &self.zone)
    }
}

impl FromStr for ZoneKey {
    type Err = ZoneKeyError;

    fn from_str(text: &str) -> Result<Self, ZoneKeyError> {
        let mut parts = text.split('/');
        let (Some(provider), Some(region), Some(zone), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ZoneKeyError::Shape { given: cut(text) });
        };
        let escape = || ZoneKeyError::Escape { given: cut(text) };
        Self::new(
            &unescape(provider).ok_or_else(escape)?,
            &unescape(region).ok_or_else(escape)?,
            &unescape(zone).ok_or_else(escape)?,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_that_contains_a_slash_survives() {
        let key = ZoneKey::new("ionos", "fr/par", "fr/par").unwrap();
        assert_eq!(key.to_string(), "ionos/fr%2Fpar/fr%2Fpar");
        assert_eq!(key.to_string().parse::<ZoneKey>().unwrap(), key);
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        assert!(matches!(
            "eu-west-2".parse::<ZoneKey>(),
            Err(ZoneKeyError::Shape { .. })
        ));
        assert!(matches!(
            "aws/a/b/c".parse::<ZoneKey>(),
            Err(ZoneKeyError::Shape { .. })
        ));
        assert!(matches!(
            "aws/a%2f/b".parse::<ZoneKey>(),
            Err(ZoneKeyError::Escape { .. })
        ));
        assert!(matches!(
            "aws//b".parse::<ZoneKey>(),
            Err(ZoneKeyError::Part { part: "region", .. })
        ));
        assert!(matches!(
            "AWS/a/b".parse::<ZoneKey>(),
            Err(ZoneKeyError::Provider { .. })
        ));
    }

    proptest! {
        #[test]
        fn text_and_key_agree(region in "[!-~]{1,20}", zone in "[!-~é]{1,20}") {
            let key = ZoneKey::new("p", &region, &zone).unwrap();
            prop_assert_eq!(key.to_string().parse::<ZoneKey>().unwrap(), key);
        }

        #[test]
        fn any_text_is_met_without_panic(text in any::<String>()) {
            let _ = text.parse::<ZoneKey>();
        }
    }
}
