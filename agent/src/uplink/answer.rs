//! What the collector's answer to a post means for what was posted. Pure.

use serde::Deserialize;

/// What to do after a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Each item has its verdict, in the order they were sent.
    Settle(Vec<Verdict>),
    /// The body as a whole was refused, and smaller ones may not be: send less at a time.
    SendLess {
        /// What the collector said.
        why: String,
    },
    /// Nothing was stored. Keep everything and try again.
    TryAgain {
        /// Not before this many seconds, if the collector said so.
        not_before_s: Option<u64>,
        /// What went wrong.
        why: String,
    },
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stored, now or before: forget it.
    Delivered {
        /// What of it was left out.
        refused: RefusedRecords,
    },
    /// Will never be stored: forget it, count it, say why.
    Refused {
        /// The collector's reason.
        reason: String,
        /// Its words about it; empty when it has none.
        detail: String,
    },
    /// The collector does not know the manifest: send it along.
    ManifestWanted,
    /// Not now.
    Later {
        /// The collector's reason; empty when it gives none.
        reason: String,
        /// Its words about it; empty when it has none.
        detail: String,
    },
}

/// Records of a stored report that were not stored with it, by the limit on series that refused them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RefusedRecords {
    /// Of series that would be too many.
    pub series_limit: u32,
    /// Of series of which too many are new.
    pub new_series_rate: u32,
}

#[derive(Deserialize)]
struct Answer {
    verdicts: Vec<AnswerVerdict>,
}

/// What the plan of this agent is named, if an answer to a post says so. Passes over what else is in it.
#[must_use]
pub fn named_plan(status: u16, body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        plan: Option<String>,
    }
    let is_tag = |tag: &String| {
        (1..=64).contains(&tag.len())
            && tag
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let named: Option<Named> = (status == 200)
        .then(|| serde_json::from_slice(body).ok())
        .flatten();
    named.and_then(|named| named.plan).filter(is_tag)
}

#[derive(Deserialize)]
struct AnswerVerdict {
    sequence: Option<u64>,
    verdict: String,
    problem: Option<Problem>,
    refused_records: Option<RefusedRecords>,
}

#[derive(Deserialize)]
struct Problem {
    reason: Option<String>,
    detail: Option<String>,
}

/// Judges an answer of `status`, with its `Retry-After` and `body`, to a post of items with these first sequence
/// numbers.
#[must_use]
pub fn judge(status: u16, retry_after: Option<&str>, body: &[u8], sent: &[u64]) -> Step {
    match status {
        200 => verdicts(body, sent).map_or_else(
            |why| Step::TryAgain {
                not_before_s: None,
                why,
            },
            Step::Settle,
        ),
        // The body is at fault, or one of its items is: halving finds out which.
        400 | 413 | 415 | 422 => Step::SendLess {
            why: problem(status, body),
        },
        _ => Step::TryAgain {
            // Only seconds: the collector never sends a date, and a date would need clocks to agree.
            not_before_s: retry_after.and_then(|text| text.trim().parse().ok()),
            why: problem(status, body),
        },
    }
}

fn verdicts(body: &[u8], sent: &[u64]) -> Result<Vec<Verdict>, String> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| format!("the answer is not a list of verdicts: {error}"))?;
    if answer.verdicts.len() != sent.len() {
        return Err(format!(
            "{} verdicts for {} items",
            answer.verdicts.len(),
            sent.len()
        ));
    }
    let paired = answer.verdicts.into_iter().zip(sent);
    paired
        .map(|(verdict, sent)| match verdict.sequence {
            Some(sequence) if sequence != *sent => {
                Err(format!("a verdict on {sequence} where {sent} was sent"))
            }
            _ => one(verdict),
        })
        .collect()
}

fn one(verdict: AnswerVerdict) -> Result<Verdict, String> {
    let refused = verdict.refused_records.unwrap_or_default();
    let problem = verdict
        .problem
        .map(|problem| (problem.reason, problem.detail.unwrap_or_default()));
    let (reason, detail) = problem.unwrap_or_default();
    match verdict.verdict.as_str() {
        "stored" | "duplicate" => Ok(Verdict::Delivered { refused }),
        "refused" => Ok(Verdict::Refused {
            reason: reason.unwrap_or_else(|| "not said".to_owned()),
            detail,
        }),
        "manifest_wanted" => Ok(Verdict::ManifestWanted),
        "retry" => Ok(Verdict::Later {
            reason: reason.unwrap_or_default(),
            detail,
        }),
        other => Err(format!("the verdict {other:?} is not known to this version")),
    }
}

fn problem(status: u16, body: &[u8]) -> String {
    let said = serde_json::from_slice::<Problem>(body).ok();
    let said = said.and_then(|problem| problem.detail.or(problem.reason));
    said.map_or_else(
        || format!("HTTP {status}"),
        |said| format!("HTTP {status}: {said}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_step() {
        type Case<'a> = (u16, Option<&'a str>, &'a [u8], &'a [u64], Step);
        let again = |not_before_s, why: &str| Step::TryAgain {
            not_before_s,
            why: why.to_owned(),
        };
        let less = |why: &str| Step::SendLess { why: why.to_owned() };
        let all = br#"{"verdicts":[
            {"sequence":7,"epoch":1,"verdict":"stored"},
            {"sequence":8,"epoch":1,"verdict":"stored","refused_records":{"series_limit":2,"new_series_rate":1}},
            {"sequence":8,"epoch":1,"verdict":"duplicate","problem":{"reason":"duplicate"}},
            {"sequence":null,"epoch":null,"verdict":"refused","problem":{"reason":"bad_histogram","detail":"x"}},
            {"sequence":10,"epoch":1,"verdict":"manifest_wanted","problem":{}},
            {"sequence":11,"epoch":1,"verdict":"retry","problem":{"reason":"new_manifest_rate"}}]}"#;
        let whole = RefusedRecords::default();
        let settled = Step::Settle(vec![
            Verdict::Delivered { refused: whole },
            Verdict::Delivered {
                refused: RefusedRecords {
                    series_limit: 2,
                    new_series_rate: 1,
                },
            },
            Verdict::Delivered { refused: whole },
            Verdict::Refused {
                reason: "bad_histogram".into(),
                detail: "x".into(),
            },
            Verdict::ManifestWanted,
            Verdict::Later {
                reason: "new_manifest_rate".into(),
                detail: String::new(),
            },
        ]);
        let stored = br#"{"verdicts":[{"sequence":7,"epoch":1,"verdict":"stored"}]}"#;
        let unknown = br#"{"verdicts":[{"sequence":7,"epoch":1,"verdict":"perhaps"}]}"#;
        let detail =
            br#"{"type":"about:blank","title":"t","status":400,"detail":"bad tag","reason":"bad_encoding"}"#;
        let table: [Case<'_>; 13] = [
            (200, None, all, &[7, 8, 8, 9, 10, 11], settled),
            (
                200,
                None,
                stored,
                &[8],
                again(None, "a verdict on 7 where 8 was sent"),
            ),
            (200, None, stored, &[7, 8], again(None, "1 verdicts for 2 items")),
            (
                200,
                None,
                unknown,
                &[7],
                again(None, "the verdict \"perhaps\" is not known to this version"),
            ),
            (400, None, detail, &[7], less("HTTP 400: bad tag")),
            (413, None, b"", &[7], less("HTTP 413")),
            (415, None, b"", &[7], less("HTTP 415")),
            (429, Some("17"), b"", &[7], again(Some(17), "HTTP 429")),
            (503, Some(" 5 "), b"{}", &[7], again(Some(5), "HTTP 503")),
            (
                503,
                Some("Mon, 23 Nov 2026 10:00:00 GMT"),
                b"",
                &[7],
                again(None, "HTTP 503"),
            ),
            (500, None, b"oops", &[7], again(None, "HTTP 500")),
            (401, None, b"", &[7], again(None, "HTTP 401")),
            (302, None, b"", &[7], again(None, "HTTP 302")),
        ];
        for (status, retry_after, body, sent, step) in table {
            assert_eq!(judge(status, retry_after, body, sent), step, "{status}");
        }
    }

    #[test]
    fn a_plan_is_named_beside_the_verdicts_or_not_at_all() {
        let named = |status, body: &str| named_plan(status, body.as_bytes());
        assert_eq!(
            named(200, r#"{"verdicts":[],"plan":"0a1b"}"#),
            Some("0a1b".to_owned())
        );
        for (status, body) in [
            (200, r#"{"verdicts":[]}"#),
            (200, r#"{"verdicts":[],"plan":null}"#),
            (200, r#"{"verdicts":[],"plan":""}"#),
            (200, "{\"verdicts\":[],\"plan\":\"a\\r\\nX: y\"}"),
            (503, r#"{"plan":"0a1b"}"#),
            (200, "<html>"),
        ] {
            assert_eq!(named(status, body), None, "{body}");
        }
    }

    #[test]
    fn an_answer_that_is_no_json_is_tried_again() {
        assert!(matches!(judge(200, None, b"<html>", &[1]), Step::TryAgain { .. }));
    }
}
