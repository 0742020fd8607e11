//! Tokens signed right and wrong: the example of RFC 7515 appendix A.2, and keys made here.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;

/// RFC 7515 appendix A.2: the key, and what it signed.
const RFC_KEY: &str = r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;
const RFC_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

fn keys(all: &[Value]) -> Keys {
    Keys::read(json!({ "keys": all }).to_string().as_bytes()).expect("a key set")
}

fn p256(id: &str) -> (EcdsaKeyPair, Value) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).expect("a key");
    let point = pair.public_key().as_ref();
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "kid": id,
        "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]),
    });
    (pair, jwk)
}

fn token(header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!(
        "{}.{}",
        BASE64.encode(header.to_string()),
        BASE64.encode(json!({"sub": "anna"}).to_string())
    );
    let signature = sign(message.as_bytes());
    format!("{message}.{}", BASE64.encode(signature))
}

fn signed(pair: &EcdsaKeyPair, header: &Value) -> String {
    token(header, |message| {
        pair.sign(&SystemRandom::new(), message)
            .expect("signed")
            .as_ref()
            .to_vec()
    })
}

#[test]
fn the_example_of_the_standard_is_right_and_a_bent_one_is_not() {
    let key: Value = serde_json::from_str(RFC_KEY).expect("JSON");
    let claims = verified(RFC_TOKEN, &keys(std::slice::from_ref(&key))).expect("the standard's own");
    assert_eq!(claims["iss"], "joe");
    let bent = RFC_TOKEN.replacen("eyJpc3MiOiJqb2Ui", "eyJpc3MiOiJqb2Uh", 1);
    assert_eq!(
        verified(&bent, &keys(std::slice::from_ref(&key))),
        Err(Refusal::Signature)
    );
    let modulus = BASE64
        .decode(key["n"].as_str().expect("text"))
        .expect("base64url");
    let padded = json!({"kty": "RSA", "e": "AQAB", "n": BASE64.encode([&[0], modulus.as_slice()].concat())});
    assert!(
        verified(RFC_TOKEN, &keys(&[padded])).is_ok(),
        "some write a leading zero"
    );
}

#[test]
fn each_kind_of_key_signs_for_its_own_kind_only() {
    let (pair, jwk) = p256("a");
    let good = signed(&pair, &json!({"alg": "ES256", "kid": "a"}));
    assert!(verified(&good, &keys(std::slice::from_ref(&jwk))).is_ok());
    let no_id = signed(&pair, &json!({"alg": "ES256"}));
    let (_, other) = p256("b");
    assert!(
        verified(&no_id, &keys(&[other.clone(), jwk.clone()])).is_ok(),
        "each is tried"
    );

    let edwards = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    let jwk_of_edwards = json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(edwards.public_key())});
    let by_edwards = token(&json!({"alg": "EdDSA"}), |message| {
        edwards.sign(message).as_ref().to_vec()
    });
    assert!(verified(&by_edwards, &keys(&[jwk_of_edwards, jwk.clone()])).is_ok());

    let rsa: Value = serde_json::from_str(RFC_KEY).expect("JSON");
    let named =
        json!({"kty": "EC", "crv": "P-256", "kid": "a", "alg": "ES384", "x": jwk["x"], "y": jwk["y"]});
    for (set, what) in [
        (keys(&[other]), "another key's id"),
        (keys(&[rsa]), "another kind of key"),
        (keys(&[named]), "a key for another algorithm"),
    ] {
        assert_eq!(verified(&good, &set), Err(Refusal::UnknownKey), "{what}");
    }
    let (_, same_id) = p256("a");
    assert_eq!(verified(&good, &keys(&[same_id])), Err(Refusal::Signature));
}

#[test]
fn what_nobody_signed_and_what_a_shared_secret_signed_is_refused() {
    let (pair, jwk) = p256("a");
    let set = keys(&[jwk]);
    for algorithm in ["none", "None", "", "HS256", "ES256K", "RS1", "es256"] {
        let refused = verified(&signed(&pair, &json!({"alg": algorithm, "kid": "a"})), &set);
        assert!(
            matches!(refused, Err(Refusal::Algorithm(_))),
            "{algorithm}: {refused:?}"
        );
    }
    let unsigned = token(&json!({"alg": "none"}), |_| Vec::new());
    assert!(matches!(verified(&unsigned, &set), Err(Refusal::Algorithm(_))));
    let empty = token(&json!({"alg": "ES256", "kid": "a"}), |_| Vec::new());
    assert_eq!(verified(&empty, &set), Err(Refusal::Signature));
    let critical = signed(&pair, &json!({"alg": "ES256", "kid": "a", "crit": ["b64"]}));
    assert!(matches!(verified(&critical, &set), Err(Refusal::Malformed(_))));
    let whole = signed(&pair, &json!({"alg": "ES256"}));
    for malformed in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        &format!("{whole}=="),
        &format!("{whole}.x"),
    ] {
        let refused = verified(malformed, &set);
        assert!(
            matches!(refused, Err(Refusal::Malformed(_))),
            "{malformed}: {refused:?}"
        );
    }
}

#[test]
fn a_key_set_is_read_with_its_oddities() {
    let (_, jwk) = p256("a");
    let encrypting = json!({"kty": "RSA", "use": "enc", "n": "AQ", "e": "AQAB"});
    let short = json!({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"});
    let symmetric = json!({"kty": "oct", "k": "AQ"});
    for none in [
        encrypting.clone(),
        short.clone(),
        symmetric.clone(),
        json!(7),
        json!({}),
    ] {
        let set = json!({ "keys": [none] }).to_string();
        assert!(Keys::read(set.as_bytes()).is_err(), "{set}");
    }
    assert_eq!(keys(&[encrypting, short, symmetric, jwk]).0.len(), 1);
    assert!(Keys::read(b"{}").is_err() && Keys::read(b"").is_err());
    let mut many = vec![p256("x").1; MOST_KEYS + 5];
    many.push(p256("last").1);
    assert_eq!(keys(&many).0.len(), MOST_KEYS);
}
