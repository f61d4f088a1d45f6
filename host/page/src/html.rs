//! The page with a model in it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use taskhost_wire::steers;

use crate::Model;

const PAGE: &str = include_str!("template/page.html");
const STYLE: &str = include_str!("template/page.css");

/// What reads a model and reckons, without a browser.
pub(crate) const RECKONING: &str = concat!(
    include_str!("template/text.js"),
    include_str!("template/board.js"),
    include_str!("template/tree.js"),
    include_str!("template/spans.js"),
    include_str!("template/figures.js"),
);

/// What shows it.
const SHOWING: &str = concat!(
    include_str!("template/dom.js"),
    include_str!("template/list.js"),
    include_str!("template/details.js"),
    include_str!("template/tasks.js"),
    include_str!("template/colors.js"),
    include_str!("template/timeline.js"),
    include_str!("template/times.js"),
    include_str!("template/log.js"),
    include_str!("template/main.js"),
);

/// The page with this model in it: one file that needs nothing else.
///
/// # Errors
///
/// If the model can't be written as JSON, which doesn't happen for lack of anything outside.
pub fn html(model: &Model) -> Result<String, serde_json::Error> {
    let script = format!("(() => {{\n\"use strict\";\n{RECKONING}{SHOWING}main();\n}})();\n");
    let data = inert(&serde_json::to_string(model)?);
    let title = escaped(model.title());
    let policy = policy(&script, STYLE);
    Ok(filled(|place| match place {
        "title" => &title,
        "policy" => &policy,
        "style" => STYLE,
        "script" => &script,
        "data" => &data,
        _ => "",
    }))
}

/// The page with its places filled. What is filled in isn't looked through again.
fn filled<'a>(value: impl Fn(&str) -> &'a str) -> String {
    let mut page = String::new();
    let mut parts = PAGE.split("{{");
    page.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (place, rest) = part.split_once("}}").unwrap_or(("", part));
        page.push_str(value(place));
        page.push_str(rest);
    }
    page
}

/// What the page may load: its own script and its own style. Nothing makes elements of text.
fn policy(script: &str, style: &str) -> String {
    let (script, style) = (digest(script), digest(style));
    format!(
        "default-src 'none'; script-src '{script}'; style-src '{style}'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// JSON that means the same and can't end the element it stands in, begin a comment, or turn the direction of a line in
/// an editor: these characters stand in its texts alone, where they can be written by their numbers.
fn inert(json: &str) -> String {
    let mut written = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, '<' | '>' | '&') || steers(c) {
            let _ = write!(written, "\\u{:04x}", u32::from(c));
        } else {
            written.push(c);
        }
    }
    written
}

/// As text in a page.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            c if steers(c) => escaped.extend(c.escape_default()),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_the_page_means_the_same_and_ends_no_element() {
        let hostile = "</script><!--<script>&amp;\u{2028}\u{202e}\u{7f}\u{9b}\"\\ größe";
        let json = serde_json::to_string(hostile).unwrap();
        let written = inert(&json);
        assert!(!written.contains(['<', '>', '&']) && !written.chars().any(steers), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), hostile);
    }

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        assert!(PAGE.contains("{{title}}") && PAGE.contains("{{data}}"));
        let page = filled(|place| if place == "title" { "{{data}}" } else { "x" });
        assert!(page.contains("<title>{{data}}</title>"), "{page}");
    }

    #[test]
    fn title_is_text() {
        assert_eq!(escaped("<b>\u{202e}\"&"), "&lt;b&gt;\\u{202e}&quot;&amp;");
    }

    #[test]
    fn scripts_make_no_elements_of_text() {
        let script = format!("{RECKONING}{SHOWING}");
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ] {
            assert!(!script.contains(word), "{word}");
        }
        assert!(!script.contains("</script") && !script.contains("<!--"));
        for word in ["http://", "https://", "fetch(", "XMLHttpRequest", "import(", "WebSocket"] {
            let allowed = script.replace("http://www.w3.org/2000/svg", "");
            assert!(!allowed.contains(word), "{word}");
        }
    }
}
