//! Where a provider says it answers. Pure: a document in, addresses out. What it names must be as safe as the issuer itself.
//!
//! Standard: OpenID Connect Discovery 1.0 sections 3 and 4, RFC 9207 (the issuer beside the code).

use reqwest::Url;
use serde::Deserialize;

/// Where a provider answers, and how it wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Where people are sent.
    pub authorization: Url,
    /// Where a code is redeemed.
    pub token: Url,
    /// Where its keys are.
    pub keys: Url,
    /// Whether the client's secret goes into the body, because the header is not taken.
    pub secret_in_body: bool,
    /// Whether its answers always name it.
    pub names_itself: bool,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where the document of an issuer is.
pub fn document_of(issuer: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    )
}

/// Whether what is said there cannot be read or changed on the way: https, or this machine.
pub fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => url.host_str().is_some_and(crate::access::gate::is_this_machine),
        _ => false,
    }
}

/// Reads the document.
///
/// # Errors
/// Why it cannot be used, in words that follow its address.
pub fn read(issuer: &str, document: &[u8]) -> Result<Provider, String> {
    let document: Document = serde_json::from_slice(document)
        .map_err(|error| format!("is no OpenID Connect discovery document: {error}"))?;
    if document.issuer != issuer {
        return Err(format!(
            "is of the issuer {:?}; write exactly that as access.oidc.issuer",
            document.issuer
        ));
    }
    let address = |name: &str, written: &str| {
        let url = Url::parse(written).ok().filter(is_safe);
        url.ok_or_else(|| format!("names {written:?} as its {name}, which is neither https nor this machine"))
    };
    let methods = document.token_endpoint_auth_methods_supported;
    let takes = |method: &str| {
        methods
            .as_ref()
            .is_some_and(|all| all.iter().any(|one| one == method))
    };
    Ok(Provider {
        authorization: address("authorization_endpoint", &document.authorization_endpoint)?,
        token: address("token_endpoint", &document.token_endpoint)?,
        keys: address("jwks_uri", &document.jwks_uri)?,
        secret_in_body: !takes("client_secret_basic") && takes("client_secret_post"),
        names_itself: document.authorization_response_iss_parameter_supported,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn document(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut document = json!({
            "issuer": "https://id.example.org/realms/a",
            "authorization_endpoint": "https://id.example.org/auth?tenant=a",
            "token_endpoint": "https://id.example.org/token",
            "jwks_uri": "https://keys.example.org/keys",
        });
        change(&mut document);
        document.to_string().into_bytes()
    }

    #[test]
    fn a_document_of_the_issuer_itself_with_safe_addresses() {
        let issuer = "https://id.example.org/realms/a";
        assert_eq!(document_of(&format!("{issuer}/")), document_of(issuer));
        let provider = read(issuer, &document(|_| {})).expect("sound");
        assert_eq!(provider.keys.host_str(), Some("keys.example.org"));
        assert!(!provider.secret_in_body && !provider.names_itself);
        let posts =
            document(|all| all["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]));
        assert!(read(issuer, &posts).expect("sound").secret_in_body);
        for (key, value, why) in [
            (
                "issuer",
                json!("https://id.example.org/realms/b"),
                "write exactly that",
            ),
            (
                "token_endpoint",
                json!("http://id.example.org/token"),
                "neither https",
            ),
            ("jwks_uri", json!("file:///etc/passwd"), "neither https"),
            (
                "authorization_endpoint",
                json!("javascript:alert(1)"),
                "neither https",
            ),
            ("jwks_uri", Value::Null, "no OpenID Connect"),
        ] {
            let error = read(issuer, &document(|all| all[key] = value)).expect_err(key);
            assert!(error.contains(why), "{error}");
        }
        let here = document(|all| all["token_endpoint"] = json!("http://127.0.0.1:1/token"));
        assert!(read(issuer, &here).is_ok());
    }
}
