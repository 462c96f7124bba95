//! The page as HTML, and the headers that keep what it shows where it is.
//!
//! Style and script stand in the page, allowed by their hashes, so that showing a card is one answer and
//! no other request. Nothing in it comes from elsewhere, and it may not ask anyone anything.

use std::sync::LazyLock;

use actix_web::{HttpResponse, http::StatusCode};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::vault::issue::CardData;

const CARD: &str = include_str!("card.html");
const MESSAGE: &str = include_str!("message.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What the browser may do with the page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});

const HEADERS: [(&str, &str); 8] = [
    ("cache-control", "no-store"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-robots-tag", "noindex, nofollow"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=()",
    ),
];

/// A card as its holder sees it.
pub(super) struct Shown<'a> {
    /// What the programme calls it.
    pub(super) name: Option<String>,
    /// Whose it is.
    pub(super) holder: Option<String>,
    /// Number and expiry.
    pub(super) card: &'a CardData,
    /// The three digits.
    pub(super) cvv: &'a str,
    /// How long the link lasts, in seconds.
    pub(super) left_s: i64,
}

/// The page with the card.
pub(super) fn card(shown: &Shown<'_>) -> HttpResponse {
    let digits = shown.card.pan.digits();
    let expiry = shown.card.expiry;
    let month = format!("{:02}/{:02}", expiry.month, expiry.year % 100);
    let left = shown.left_s.to_string();
    let last_four = digits.get(12..).unwrap_or_default();
    let page = fill(
        CARD,
        &[
            ("name", shown.name.as_deref().unwrap_or("Virtual card")),
            ("holder", shown.holder.as_deref().unwrap_or("")),
            ("pan", digits),
            ("last_four", last_four),
            ("expiry", &month),
            ("cvv", shown.cvv),
            ("left_s", &left),
        ],
    );
    answer(StatusCode::OK, page)
}

/// A page that says why there is no card on it.
pub(super) fn message(status: StatusCode, title: &str, what: &str) -> HttpResponse {
    answer(status, fill(MESSAGE, &[("title", title), ("what", what)]))
}

fn answer(status: StatusCode, page: String) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    for header in HEADERS {
        response.insert_header(header);
    }
    response
        .insert_header(("content-security-policy", POLICY.as_str()))
        .content_type("text/html; charset=utf-8")
        .body(page)
}

/// Puts values, escaped, where the template has their names in double braces; style and script go in as
/// they are. What a value says is not looked into again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut page = String::with_capacity(template.len().saturating_add(16 << 10));
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        match name {
            "style" => page.push_str(STYLE),
            "script" => page.push_str(SCRIPT),
            _ => {
                let value = values.iter().find(|(known, _)| *known == name);
                escape(value.map_or("", |(_, value)| value), &mut page);
            }
        }
        rest = after;
    }
    page.push_str(rest);
    page
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_not_filled_again() {
        let filled = fill(
            "<p>{{a}}</p>{{b}}{{c}}",
            &[("a", "<script>\"'&"), ("b", "{{a}}")],
        );
        assert_eq!(filled, "<p>&lt;script&gt;&quot;&#39;&amp;</p>{{a}}");
    }

    #[test]
    fn every_place_of_the_templates_is_known() {
        for (template, names) in [
            (
                CARD,
                &[
                    "name",
                    "holder",
                    "pan",
                    "last_four",
                    "expiry",
                    "cvv",
                    "left_s",
                ][..],
            ),
            (MESSAGE, &["title", "what"]),
        ] {
            for part in template.split("{{").skip(1) {
                let name = part.split("}}").next().unwrap_or_default();
                assert!(
                    ["style", "script"].contains(&name) || names.contains(&name),
                    "{name}"
                );
            }
        }
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</"), "it would end its element");
            assert!(!text.contains("http"), "nothing comes from elsewhere");
        }
    }
}
