//! What a person reads: a title on one line and a text, from a template of the configuration or, without one and when it
//! fails, in our own words. Pure.
//!
//! Everything that came from outside (labels, names) is made harmless for the receiver before any template sees it.
//! Standard: the template language of Jinja, as far as `minijinja` goes; no includes, no loops without an end.

use std::io;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::page::{Page, State, one_line};
use crate::alert::rules::model::Severity;
use crate::utc::UtcInstant;

/// Steps a template may take.
const FUEL: u64 = 200_000;
/// Longest title, in characters.
const LONGEST_TITLE: usize = 200;
/// Longest text, in characters; receivers cut or refuse more.
const LONGEST_BODY: usize = 12_000;
/// What a template may write, in bytes; beyond it only what is cut away would come.
const MOST_WRITTEN_BYTES: usize = 4 * (LONGEST_BODY + 1);

/// What the receiver does with text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Nothing: mail, JSON.
    Plain,
    /// Markup of Slack and of Markdown, mentions, and links of its own finding.
    Chat,
}

/// Templates of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Templates {
    /// The title.
    pub title: Option<String>,
    /// The text.
    pub text: Option<String>,
}

/// What a person reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub title: String,
    /// Some lines.
    pub body: String,
    /// Why a template was not used.
    pub fell_back: Option<String>,
}

/// A page as a template sees it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    page: &'a Page,
    regressed_at: UtcInstant,
    fired_at: UtcInstant,
    resolved_at: Option<UtcInstant>,
}

#[derive(Serialize)]
struct Scope<'a> {
    channel: &'a str,
    state: &'static str,
    severity: &'static str,
    count: usize,
    pages: Vec<Shown<'a>>,
}

/// Says whether a template can be used at all.
///
/// # Errors
/// What is wrong in it, and in which of its lines.
pub fn check(template: &str) -> Result<(), String> {
    let parsed = environment().template_from_str(template).map(drop);
    parsed.map_err(|error| error.to_string())
}

/// The text for some pages that tell the same.
pub fn write(channel: &str, pages: &[Page], templates: &Templates, style: Style) -> Text {
    let pages: Vec<Page> = pages.iter().map(|page| harmless(page, style)).collect();
    let mut fell_back = None;
    let mut filled = |template: &Option<String>| {
        let template = template.as_deref()?;
        let scope = Scope {
            channel,
            state: pages.first().map_or("", |page| page.state.as_str()),
            severity: severity(&pages).as_str(),
            count: pages.len(),
            pages: pages.iter().map(shown).collect(),
        };
        match filled_in(template, scope) {
            Ok(text) if !text.trim().is_empty() => Some(text),
            Ok(_) => {
                fell_back = Some("it is empty".to_owned());
                None
            }
            Err(error) => {
                fell_back = Some(error);
                None
            }
        }
    };
    let (title, body) = (filled(&templates.title), filled(&templates.text));
    Text {
        title: cut(
            &one_line(&title.unwrap_or_else(|| plain_title(&pages))),
            LONGEST_TITLE,
        ),
        body: cut(&body.unwrap_or_else(|| plain_body(&pages, style)), LONGEST_BODY),
        fell_back,
    }
}

/// What the template makes of the scope; cut when it is longer than anybody will see.
fn filled_in(template: &str, scope: Scope<'_>) -> Result<String, String> {
    let mut written = Bounded::default();
    let environment = environment();
    let rendered = environment
        .template_from_str(template)
        .and_then(|template| template.render_captured_to(Serde(scope), &mut written).map(drop));
    match rendered {
        Err(error) if !written.is_full => Err(error.to_string()),
        _ => Ok(String::from_utf8_lossy(&written.bytes).into_owned()),
    }
}

/// Keeps the first of what is written, and stops the writer after it.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = MOST_WRITTEN_BYTES - self.bytes.len();
        self.bytes.extend(bytes.iter().take(room));
        self.is_full |= bytes.len() > room;
        if self.is_full {
            return Err(io::Error::other("longer than anybody will see"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment
}

fn shown(page: &Page) -> Shown<'_> {
    Shown {
        page,
        regressed_at: UtcInstant::from_unix_ms(page.regressed_at_unix_ms),
        fired_at: UtcInstant::from_unix_ms(page.fired_at_unix_ms),
        resolved_at: page.resolved_at_unix_ms.map(UtcInstant::from_unix_ms),
    }
}

fn severity(pages: &[Page]) -> Severity {
    let all = pages.iter().map(|page| page.severity);
    all.max().unwrap_or(Severity::Info)
}

fn plain_title(pages: &[Page]) -> String {
    let Some(first) = pages.first() else {
        return String::new();
    };
    let more = match pages.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let word = match first.state {
        State::Firing => format!("FIRING ({})", severity(pages).as_str()),
        State::Resolved => "RESOLVED".to_owned(),
    };
    format!("{word}: {}{more}", first.summary)
}

fn plain_body(pages: &[Page], style: Style) -> String {
    let mut text = String::new();
    for page in pages {
        let shown = shown(page);
        text += &format!("{}\n", page.summary);
        text += &format!("since {}, found {}", shown.regressed_at, shown.fired_at);
        if let Some(resolved_at) = shown.resolved_at {
            let how = page.resolution.as_deref().unwrap_or("over");
            text += &format!(", {how} {resolved_at}");
        }
        text += &format!("\nrule {}, severity {}\n", page.rule, page.severity.as_str());
        for member in &page.members {
            text += &format!("- {member}\n");
        }
        match (&page.link, style) {
            (None, _) => {}
            (Some(link), Style::Plain) => text += &format!("{link}\n"),
            (Some(link), Style::Chat) => text += &format!("<{link}>\n"),
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// The page with every text harmless; its link only if it can stand anywhere.
fn harmless(page: &Page, style: Style) -> Page {
    let mut page = page.clone().cleaned();
    page.link = page.link.filter(|link| {
        let plain = |c: char| c.is_ascii_graphic() && !"<>|\"'`()[]\\".contains(c);
        (link.starts_with("https://") || link.starts_with("http://")) && link.chars().all(plain)
    });
    if style == Style::Chat {
        for text in [
            &mut page.rule,
            &mut page.summary,
            &mut page.measure,
            &mut page.alert,
        ] {
            *text = unmarked(text);
        }
        for member in &mut page.members {
            *member = unmarked(member);
        }
        for value in page.labels.values_mut() {
            *value = unmarked(value);
        }
    }
    page
}

/// The text with nothing in it that a chat would take for markup, a mention or a link. Letters that chats give a meaning
/// are replaced by ones that look alike, because backslashes would be shown by some.
pub fn unmarked(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied().unwrap_or(' ');
        match letter {
            '&' => kept.push_str("&amp;"),
            '<' => kept.push_str("&lt;"),
            '>' => kept.push_str("&gt;"),
            '*' => kept.push('∗'),
            '~' => kept.push('∼'),
            '`' => kept.push('ˋ'),
            '[' => kept.push('［'),
            ']' => kept.push('］'),
            '@' => kept.push('＠'),
            '#' => kept.push('＃'),
            '|' => kept.push('¦'),
            '\\' => kept.push('＼'),
            // As in `icmp_echo`, where it means nothing.
            '_' if before.is_alphanumeric() && next.is_alphanumeric() => kept.push('_'),
            '_' => kept.push('＿'),
            ':' if next == '/' => kept.push('：'),
            // An emoji's name.
            ':' if before == ' ' && next.is_alphabetic() => kept.push('：'),
            _ => kept.push(letter),
        }
        before = letter;
    }
    kept
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::page;
    use super::*;

    fn hostile(value: &str) -> Page {
        let mut page = page("a", 1, State::Firing);
        page.summary = format!("p50 from {value} rose");
        page.labels.insert("agent".to_owned(), value.to_owned());
        page
    }

    #[test]
    fn our_own_words_say_what_since_when_and_where() {
        let pages = [page("a", 1, State::Firing), page("b", 1, State::Firing)];
        let text = write("chat", &pages, &Templates::default(), Style::Plain);
        assert_eq!(
            text.title,
            "FIRING (warning): p50 from brest-1 to aws/eu-west-3/euw3-az1 rose from 10 ms to 14 ms and 1 more"
        );
        assert!(
            text.body
                .contains("since 2026-11-23T09:50:00Z, found 2026-11-23T10:00:00Z"),
            "{}",
            text.body
        );
        assert!(
            text.body.ends_with("https://azimuth.example/pair?agent=brest-1"),
            "{}",
            text.body
        );
        let over = write(
            "chat",
            &[page("a", 1, State::Resolved)],
            &Templates::default(),
            Style::Plain,
        );
        assert!(over.title.starts_with("RESOLVED: p50"), "{}", over.title);
        assert!(
            over.body.contains("recovered 2026-11-23T11:00:00Z"),
            "{}",
            over.body
        );
    }

    #[test]
    fn a_template_is_used_and_one_that_fails_gives_way() {
        let templates = |title: &str, text: &str| Templates {
            title: Some(title.to_owned()),
            text: Some(text.to_owned()),
        };
        let pages = [page("a", 1, State::Firing)];
        let good = templates(
            "{{ state }} x{{ count }}",
            "{% for p in pages %}{{ p.labels.agent }} {{ p.value }} {{ p.fired_at }} {{ p.severity }}{% endfor %}",
        );
        let text = write("chat", &pages, &good, Style::Plain);
        assert_eq!((text.title.as_str(), text.fell_back), ("firing x1", None));
        assert_eq!(text.body, "brest-1 14.0 2026-11-23T10:00:00Z warning");
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}x";
        for bad in ["{{ pages[0].no.thing }}", "{{ 1 / 'x' }}", "  ", endless] {
            let text = write("chat", &pages, &templates("{{ state }}", bad), Style::Plain);
            assert_eq!(text.title, "firing", "{bad}");
            assert!(text.body.starts_with("p50 from brest-1"), "{bad}: {}", text.body);
            assert!(text.fell_back.is_some(), "{bad}");
        }
        assert!(check("{% for %}").expect_err("wrong").contains("line 1") || check("{% for %}").is_err());
    }

    #[test]
    fn a_template_writes_no_more_than_anybody_will_see() {
        let long = "{% for a in range(9999) %}{{ pages[0].summary }} é{% endfor %}";
        let templates = Templates {
            title: Some(long.to_owned()),
            text: Some(long.to_owned()),
        };
        let text = write("chat", &[page("a", 1, State::Firing)], &templates, Style::Plain);
        assert_eq!(text.fell_back, None);
        assert_eq!(
            text.body.chars().count(),
            LONGEST_BODY + 1,
            "cut, and marked as cut"
        );
        assert_eq!(text.title.chars().count(), LONGEST_TITLE + 1);
        let mut written = Bounded::default();
        for _ in 0..100 {
            let _ = io::Write::write_all(&mut written, &[b'x'; 1_000]);
        }
        assert_eq!((written.bytes.len(), written.is_full), (MOST_WRITTEN_BYTES, true));
    }

    #[test]
    fn a_hostile_label_is_neither_a_header_nor_markup_nor_a_mention() {
        let evil = "x\r\nBcc: y@z <!channel> @here [a](https://evil.example) *b* _c_ `d` ~e~ ![f](g) <https://h|i> :smile: # j";
        let templates = Templates {
            title: Some("{{ pages[0].labels.agent }}\r\nX: y".to_owned()),
            text: Some("{{ pages[0].labels.agent }}".to_owned()),
        };
        for templates in [Templates::default(), templates] {
            let text = write("chat", &[hostile(evil)], &templates, Style::Chat);
            assert!(!text.title.contains(['\r', '\n']), "{}", text.title);
            let body = text
                .body
                .replace("<https://azimuth.example/pair?agent=brest-1>", "");
            for markup in [
                "<", ">", "@", "[", "]", "*", " _", "`", "~", "://", "#", " :s", "\r",
            ] {
                assert!(!body.contains(markup), "{markup}: {body}");
                assert!(!text.title.contains(markup), "{markup}: {}", text.title);
            }
        }
        assert_eq!(
            unmarked("icmp_echo to aws/eu-west-3"),
            "icmp_echo to aws/eu-west-3"
        );
        let mut linked = page("a", 1, State::Firing);
        linked.link = Some("javascript:alert(1)".to_owned());
        assert!(
            !write("chat", &[linked], &Templates::default(), Style::Chat)
                .body
                .contains("javascript")
        );
    }
}
