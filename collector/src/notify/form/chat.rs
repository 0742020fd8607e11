//! Chats: incoming webhooks in the form of Slack, which Mattermost and others take too, and ntfy. Only our own template
//! may hold markup; what came from outside is without any ([`crate::notify::text::unmarked`]).
//!
//! Standard: Slack's "incoming webhooks" (`text`), ntfy's "publish as JSON" (posted to the root of the server).

use serde_json::json;

use super::Post;
use crate::alert::rules::model::Severity;
use crate::notify::page::{Page, State};
use crate::notify::text::{Style, Templates, write};

/// For Slack and what speaks like it.
pub fn slack(channel: &str, pages: &[Page], templates: &Templates) -> Post {
    let text = write(channel, pages, templates, Style::Chat);
    let body = json!({
        "text": format!("{}\n{}", text.title, text.body),
        // Names are not looked for in the text.
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    Post {
        headers: Vec::new(),
        body: body.to_string(),
    }
}

/// For ntfy; plain text, so nothing in it is markup.
pub fn ntfy(channel: &str, topic: &str, pages: &[Page], templates: &Templates) -> Post {
    let text = write(channel, pages, templates, Style::Plain);
    let over = pages.first().is_some_and(|page| page.state == State::Resolved);
    let severity = pages.iter().map(|page| page.severity).max();
    let priority = match severity {
        _ if over => 3,
        Some(Severity::Critical) => 5,
        Some(Severity::Warning) => 4,
        Some(Severity::Info) | None => 3,
    };
    let mut body = json!({
        "topic": topic,
        "title": text.title,
        "message": text.body,
        "priority": priority,
        "tags": [if over { "white_check_mark" } else { "warning" }],
        "markdown": false,
    });
    let link = pages.first().and_then(|page| page.link.as_deref());
    if let Some(link) = link.filter(|link| reqwest::Url::parse(link).is_ok()) {
        body["click"] = json!(link);
    }
    Post {
        headers: Vec::new(),
        body: body.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::page::tests::page;

    #[test]
    fn each_says_what_its_receiver_reads() {
        let mut fires = page("a", 1, State::Firing);
        fires.severity = Severity::Critical;
        fires.summary = "<!channel> rose".to_owned();
        let said = |post: Post| -> serde_json::Value { serde_json::from_str(&post.body).expect("JSON") };
        let slack = said(slack("chat", std::slice::from_ref(&fires), &Templates::default()));
        let text = slack["text"].as_str().expect("text");
        assert!(
            text.starts_with("FIRING (critical): &lt;!channel&gt; rose\n"),
            "{text}"
        );
        let ntfy = said(ntfy("phone", "alerts", &[fires], &Templates::default()));
        assert_eq!((&ntfy["topic"], &ntfy["priority"]), (&json!("alerts"), &json!(5)));
        assert_eq!(ntfy["title"], "FIRING (critical): <!channel> rose");
        assert_eq!(ntfy["click"], "https://azimuth.example/pair?agent=brest-1");
    }
}
