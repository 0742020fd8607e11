//! Why somebody is not signed in: one word each, for the counter, the audit log and the login screen. The word never says more
//! than the browser may know; the log says the rest.

/// Why somebody is not signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The page to come back to is not ours.
    ReturnElsewhere,
    /// The answer is not to a question of this browser, or comes too late.
    WrongState,
    /// The provider says no: its error.
    Denied(String),
    /// The provider cannot be asked, or is not understood: why.
    Unreachable(String),
    /// The provider does not take the code: what it said.
    CodeRefused(String),
    /// Too many refused tries from there; the seconds to wait.
    Throttled(u32),
    /// Too many codes are being redeemed at once.
    Busy,
    /// It is no token as RFC 7515 and RFC 7519 write them: where not.
    Malformed(String),
    /// Signed in a way that is not accepted, or not signed.
    Algorithm(String),
    /// Signed with a key that the provider does not publish.
    UnknownKey,
    /// The signature is wrong.
    Signature,
    /// Of another provider.
    Issuer,
    /// For somebody else.
    Audience,
    /// Not for this question.
    Nonce,
    /// It has ended, or not begun.
    Time(String),
    /// No claim of the token gives a role.
    NoRole(String),
}

impl Refusal {
    /// The word for counters, the audit log and screens.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ReturnElsewhere => "return_elsewhere",
            Self::WrongState => "wrong_state",
            Self::Denied(_) => "denied",
            Self::Unreachable(_) => "provider_unreachable",
            Self::CodeRefused(_) => "code_refused",
            Self::Throttled(_) => "login_throttled",
            Self::Busy => "busy",
            Self::Malformed(_) => "malformed_token",
            Self::Algorithm(_) => "unaccepted_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "wrong_signature",
            Self::Issuer => "wrong_issuer",
            Self::Audience => "wrong_audience",
            Self::Nonce => "wrong_nonce",
            Self::Time(_) => "expired",
            Self::NoRole(_) => "no_role",
        }
    }

    /// Whether a provider was asked about it, so that it belongs into the audit log.
    pub fn is_judged(&self) -> bool {
        !matches!(
            self,
            Self::ReturnElsewhere
                | Self::WrongState
                | Self::Denied(_)
                | Self::Unreachable(_)
                | Self::Throttled(_)
                | Self::Busy
        )
    }

    /// What the log says beyond the word; escaped, because some of it comes from outside.
    pub fn detail(&self) -> String {
        let text = match self {
            Self::Denied(text)
            | Self::Unreachable(text)
            | Self::CodeRefused(text)
            | Self::Malformed(text)
            | Self::Algorithm(text)
            | Self::Time(text)
            | Self::NoRole(text) => text.as_str(),
            Self::ReturnElsewhere => "the page to come back to is not a path of this collector",
            Self::WrongState => {
                "the answer belongs to no question of that browser within ten minutes; begin again"
            }
            Self::Throttled(_) => "too many refused tries from there",
            Self::Busy => "too many codes are redeemed at once",
            Self::UnknownKey => "the provider publishes no such key",
            Self::Signature => "it is not the provider's signature",
            Self::Issuer => {
                "another provider issued it; is `issuer` written exactly as the provider writes it?"
            }
            Self::Audience => "it is for another client; is `client_id` right?",
            Self::Nonce => "it answers another question",
        };
        text.escape_debug().take(300).collect()
    }
}
