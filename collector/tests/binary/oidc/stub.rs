//! An identity provider of ours on loopback: a discovery document, keys, and a token for one code, which is handed out once and only
//! to who shows the client's secret and the verifier of the challenge (RFC 6749, RFC 7636). What the token says is the test's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256};
use serde_json::{Value, json};

/// RFC 7515 appendix A.2: a key that everybody has.
const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const D: &str = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
const P: &str = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
const Q: &str = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
const DP: &str = "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
const DQ: &str = "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
const QI: &str = "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";

enum Pair {
    P256(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

/// A key of the provider, or of somebody who would like to be it.
pub(super) struct Signer {
    id: &'static str,
    pair: Pair,
}

impl Signer {
    pub(super) fn p256(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
        let pair = Pair::P256(Box::new(pair.expect("a key")));
        Self { id, pair }
    }

    pub(super) fn rsa(id: &'static str) -> Self {
        let part = |text: &str| BASE64.decode(text).expect("base64url");
        let components = KeyPairComponents {
            public_key: PublicKeyComponents {
                n: part(N),
                e: vec![1, 0, 1],
            },
            d: part(D),
            p: part(P),
            q: part(Q),
            dP: part(DP),
            dQ: part(DQ),
            qInv: part(QI),
        };
        let pair = RsaKeyPair::from_components(&components).expect("the standard's key");
        let pair = Pair::Rsa(Box::new(pair));
        Self { id, pair }
    }

    fn published(&self) -> Value {
        match &self.pair {
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": x, "y": y})
            }
            Pair::Rsa(_) => {
                json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.id, "n": N, "e": "AQAB"})
            }
        }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(claims, None)
    }

    /// Signs, but says that it was done by another algorithm; by `none` there is no signature.
    pub(super) fn sign_as(&self, claims: &Value, algorithm: Option<&str>) -> String {
        let own = match self.pair {
            Pair::P256(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        };
        let header = json!({"typ": "JWT", "alg": algorithm.unwrap_or(own), "kid": self.id});
        let (header, payload) = (
            BASE64.encode(header.to_string()),
            BASE64.encode(claims.to_string()),
        );
        let (message, random) = (format!("{header}.{payload}"), SystemRandom::new());
        let signature = match &self.pair {
            _ if algorithm == Some("none") => Vec::new(),
            Pair::P256(pair) => pair
                .sign(&random, message.as_bytes())
                .expect("signed")
                .as_ref()
                .to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)
                    .expect("signed");
                signature
            }
        };
        format!("{message}.{}", BASE64.encode(signature))
    }
}

#[derive(Default)]
struct Told {
    keys: Vec<Value>,
    /// The challenge of the code, and the token for it.
    code: Option<(String, String)>,
    redeemed: usize,
    is_away: bool,
}

/// The provider. Its thread ends with the process.
pub(super) struct Stub {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
}

impl Stub {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let told = Arc::new(Mutex::new(Told::default()));
        let kept = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that hangs up is its own business.
                let _ = answer(stream, address, &kept);
            }
        });
        Self { address, told }
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://{}/realms/main", self.address)
    }

    pub(super) fn publish(&self, keys: &[&Signer]) {
        self.told.lock().expect("whole").keys = keys.iter().map(|key| key.published()).collect();
    }

    pub(super) fn hand_out(&self, challenge: &str, token: &str) {
        self.told.lock().expect("whole").code = Some((challenge.to_owned(), token.to_owned()));
    }

    /// How many codes were tried.
    pub(super) fn redeemed(&self) -> usize {
        self.told.lock().expect("whole").redeemed
    }

    pub(super) fn be_away(&self, is_away: bool) {
        self.told.lock().expect("whole").is_away = is_away;
    }
}

fn answer(stream: TcpStream, address: SocketAddr, told: &Mutex<Told>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut authorization) = (String::new(), 0, String::new());
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "authorization" => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut told = told.lock().expect("whole");
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, text) = match path {
        _ if told.is_away => (503, json!({"error": "temporarily_unavailable"})),
        "/realms/main/.well-known/openid-configuration" => {
            let at = |path: &str| format!("http://{address}/realms/main/{path}");
            let document = json!({
                "issuer": format!("http://{address}/realms/main"), "authorization_endpoint": at("auth"),
                "token_endpoint": at("token"), "jwks_uri": at("keys"),
            });
            (200, document)
        }
        "/realms/main/keys" => (200, json!({ "keys": told.keys })),
        "/realms/main/token" => {
            told.redeemed += 1;
            match redeem(&mut told, &authorization, &body) {
                Some(token) => (
                    200,
                    json!({"token_type": "Bearer", "access_token": "x", "id_token": token}),
                ),
                None => (400, json!({"error": "invalid_grant"})),
            }
        }
        _ => (404, json!({"error": "not_found"})),
    };
    let text = text.to_string();
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status} Word\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn redeem(told: &mut Told, authorization: &str, body: &[u8]) -> Option<String> {
    // Both are form-encoded before they are joined (RFC 6749 section 2.3.1).
    let client = format!("Basic {}", STANDARD.encode("azimuth:a+secret%2Bof%2Fours"));
    let sent = |name: &str| {
        let found = form_urlencoded::parse(body).find(|(given, _)| given == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let shown = azimuth_collector::secret::sha256(sent("code_verifier").as_bytes());
    let is_right = authorization == client
        && sent("grant_type") == "authorization_code"
        && sent("code") == "one-code"
        && sent("redirect_uri") == "https://azimuth.example.org/api/v1/oidc/callback"
        && told
            .code
            .as_ref()
            .is_some_and(|(challenge, _)| *challenge == BASE64.encode(shown));
    is_right
        .then(|| told.code.take().map(|(_, token)| token))
        .flatten()
}
