//! Whether a token is signed by the provider: a compact JWS held against a JSON Web Key Set. Pure. The claims come out only when
//! the signature is right; what they say is judged in `claims`.
//!
//! Standard: RFC 7515 (JWS), RFC 7517 (keys), RFC 7518 sections 3.3 to 3.5 and RFC 8037 (algorithms). Only signatures with a
//! public key: a shared secret, and `none`, are refused. `crit` is refused, because no extension is understood.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Keys of a provider that are looked at, at most.
const MOST_KEYS: usize = 100;

/// The claims of a token whose signature was right.
pub type Claims = Map<String, Value>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The curve, and an uncompressed point.
    Curve(&'static str, Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    material: Material,
}

/// The keys a provider publishes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct WrittenKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a key set. Keys that are not for signatures, or of a kind that is not accepted, are passed over (RFC 7517 section 5).
    ///
    /// # Errors
    /// When it is none, or no key is left.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let set: KeySet = serde_json::from_slice(text).map_err(|error| format!("is no key set: {error}"))?;
        let keys: Vec<Key> = set.keys.into_iter().take(MOST_KEYS).filter_map(key).collect();
        if keys.is_empty() {
            return Err(
                "holds no key for signatures of a kind that is accepted (RSA, P-256, P-384, Ed25519)"
                    .to_owned(),
            );
        }
        Ok(Self(keys))
    }
}

fn key(written: Value) -> Option<Key> {
    let written: WrittenKey = serde_json::from_value(written).ok()?;
    if written.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let bytes = |part: &Option<String>| BASE64.decode(part.as_deref()?).ok();
    let material = match (written.kty.as_str(), written.crv.as_deref()) {
        ("RSA", _) => Material::Rsa {
            // A leading zero is a sign that some write and ring does not read.
            n: bytes(&written.n)?
                .into_iter()
                .skip_while(|byte| *byte == 0)
                .collect(),
            e: bytes(&written.e)?
                .into_iter()
                .skip_while(|byte| *byte == 0)
                .collect(),
        },
        ("EC", Some("P-256")) => {
            Material::Curve("P-256", point(&bytes(&written.x)?, &bytes(&written.y)?, 32)?)
        }
        ("EC", Some("P-384")) => {
            Material::Curve("P-384", point(&bytes(&written.x)?, &bytes(&written.y)?, 48)?)
        }
        ("OKP", Some("Ed25519")) => Material::Curve("Ed25519", bytes(&written.x)?),
        _ => return None,
    };
    Some(Key {
        id: written.kid,
        algorithm: written.alg,
        material,
    })
}

fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    let is_whole = x.len() == length && y.len() == length;
    is_whole.then(|| [&[4], x, y].concat())
}

/// How a signature is checked.
enum Check {
    Rsa(&'static RsaParameters),
    Curve(&'static str, &'static dyn VerificationAlgorithm),
}

fn check(algorithm: &str) -> Option<Check> {
    Some(match algorithm {
        "RS256" => Check::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Check::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Check::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        "PS256" => Check::Rsa(&RSA_PSS_2048_8192_SHA256),
        "PS384" => Check::Rsa(&RSA_PSS_2048_8192_SHA384),
        "PS512" => Check::Rsa(&RSA_PSS_2048_8192_SHA512),
        "ES256" => Check::Curve("P-256", &ECDSA_P256_SHA256_FIXED),
        "ES384" => Check::Curve("P-384", &ECDSA_P384_SHA384_FIXED),
        "EdDSA" | "Ed25519" => Check::Curve("Ed25519", &ED25519),
        _ => return None,
    })
}

impl Key {
    fn fits(&self, algorithm: &str, check: &Check) -> bool {
        let is_kind = match (check, &self.material) {
            (Check::Rsa(_), Material::Rsa { .. }) => true,
            (Check::Curve(asked, _), Material::Curve(curve, _)) => asked == curve,
            _ => false,
        };
        is_kind && self.algorithm.as_deref().is_none_or(|own| own == algorithm)
    }

    fn has_signed(&self, check: &Check, message: &[u8], signature: &[u8]) -> bool {
        match (check, &self.material) {
            (Check::Rsa(parameters), Material::Rsa { n, e }) => RsaPublicKeyComponents { n, e }
                .verify(parameters, message, signature)
                .is_ok(),
            (Check::Curve(_, algorithm), Material::Curve(_, point)) => {
                UnparsedPublicKey::new(*algorithm, point)
                    .verify(message, signature)
                    .is_ok()
            }
            _ => false,
        }
    }
}

/// The claims of a token, if one of these keys signed it. [`Refusal::UnknownKey`] says that other keys might.
///
/// # Errors
/// Why it is not believed.
pub fn verified(token: &str, keys: &Keys) -> Result<Claims, Refusal> {
    let malformed = |what: &str| Refusal::Malformed(format!("the token {what}"));
    let parts: Vec<&str> = token.split('.').collect();
    let [head, payload, signature] = parts[..] else {
        return Err(malformed("has not three parts"));
    };
    let bytes = |part: &str, what| BASE64.decode(part).map_err(|_| malformed(what));
    let header: Map<String, Value> = serde_json::from_slice(&bytes(head, "has no header in base64url")?)
        .map_err(|_| malformed("has no JSON header"))?;
    if header.contains_key("crit") {
        return Err(malformed("asks for an extension (`crit`)"));
    }
    let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    let check = check(algorithm).ok_or_else(|| {
        Refusal::Algorithm(format!(
            "signed by {algorithm:?}; let the provider sign with a public key, such as RS256 or ES256"
        ))
    })?;
    let signature = bytes(signature, "has no signature in base64url")?;
    let id = header.get("kid").and_then(Value::as_str);
    let mut candidates = keys
        .0
        .iter()
        .filter(|key| key.fits(algorithm, &check) && (id.is_none() || key.id.as_deref() == id))
        .peekable();
    if candidates.peek().is_none() {
        return Err(Refusal::UnknownKey);
    }
    let message = format!("{head}.{payload}");
    if !candidates.any(|key| key.has_signed(&check, message.as_bytes(), &signature)) {
        return Err(Refusal::Signature);
    }
    serde_json::from_slice(&bytes(payload, "has no claims in base64url")?)
        .map_err(|_| malformed("has no JSON claims"))
}

#[cfg(test)]
mod tests;
