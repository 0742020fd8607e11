//! Which form of `/metrics` a reader gets, from its `Accept`. Pure. What is not understood is passed over: a reader that
//! asks for something strange gets text, never a refusal.
//!
//! Standard: RFC 9110, section 12.5.1, as far as the two forms need it.

/// A form of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text 0.0.4.
    Text,
    /// Length-delimited `io.prometheus.client.MetricFamily`.
    Protobuf,
}

/// Protobuf for who asks for it and does not prefer text.
pub fn form(accept: &str) -> Form {
    let weight_of = |wanted: fn(&str) -> bool| {
        let ranges = accept.split(',').map(|range| range.trim().to_ascii_lowercase());
        ranges
            .filter(|range| wanted(range))
            .map(|range| weight(&range))
            .fold(0.0, f64::max)
    };
    let protobuf = weight_of(is_protobuf);
    if protobuf > 0.0 && protobuf >= weight_of(|range| media_type(range) == "text/plain") {
        Form::Protobuf
    } else {
        Form::Text
    }
}

fn media_type(range: &str) -> &str {
    range.split(';').next().unwrap_or("").trim()
}

fn is_protobuf(range: &str) -> bool {
    media_type(range) == "application/vnd.google.protobuf"
        && parameter(range, "proto") == Some("io.prometheus.client.metricfamily")
        && parameter(range, "encoding") == Some("delimited")
}

fn parameter<'a>(range: &'a str, name: &str) -> Option<&'a str> {
    range.split(';').skip(1).find_map(|parameter| {
        let (given, value) = parameter.split_once('=')?;
        (given.trim() == name).then_some(value.trim().trim_matches('"'))
    })
}

fn weight(range: &str) -> f64 {
    parameter(range, "q").map_or(1.0, |q| q.parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_is_for_who_asks_for_it() {
        let protobuf =
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        let cases = [
            ("", Form::Text),
            ("*/*", Form::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Form::Text),
            (
                "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
                Form::Text,
            ),
            ("application/vnd.google.protobuf", Form::Text),
            (
                "application/vnd.google.protobuf; proto=\"io.prometheus.client.MetricFamily\"; encoding=delimited",
                Form::Protobuf,
            ),
            (
                &format!(
                    "{protobuf},application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5,*/*;q=0.1"
                ),
                Form::Protobuf,
            ),
            (
                &format!("text/plain;version=0.0.4;q=0.5,{protobuf};q=0.4"),
                Form::Text,
            ),
            (&format!("{protobuf};q=0"), Form::Text),
            (&format!("{protobuf};q=NaN"), Form::Text),
            (&format!("{protobuf};q=x, ,;=;"), Form::Text),
        ];
        for (accept, expected) in cases {
            assert_eq!(form(accept), expected, "{accept}");
        }
    }
}
