//! The report as a reader meets it: in a browser, on a phone and on a laptop, in light and dark.

mod browser;

use std::fs;
use std::path::PathBuf;

use self::browser::{Verdict, look};
use crate::support::{folder, stdout, text};

/// The page of a smoke run of every item, and the folder that it stands in.
fn page(name: &str, items: &[&str]) -> (PathBuf, String) {
    let folder = folder(name);
    stdout(&[&["reproduce"], items, &["--smoke", "--out", text(&folder)]].concat());
    let page = fs::read_to_string(folder.join("report.html")).expect("reproduce writes the page");
    (folder, page)
}

#[test]
fn the_report_is_the_same_again_and_needs_nothing_else() {
    let (_, first) = page("report-1", &["table1", "table4"]);
    let (_, second) = page("report-2", &["table1", "table4"]);
    assert!(first == second, "the same command gives the same page");
    for item in ["table1", "table4", "findings", "appendix"] {
        assert!(first.contains(&format!("id=\"{item}\"")), "a section `{item}`");
    }
    assert!(first.contains("<span>reproduce</span>") && first.contains("A smoke run."));
    for mark in
        ["<script", "<iframe", "<object", "@import", " src=\"", "url(http", "rel=\"stylesheet"]
    {
        assert!(!first.contains(mark), "{mark} loads something");
    }
}

#[test]
fn the_report_is_readable_on_phone_and_laptop_in_light_and_dark() {
    let Some(browser) = browser::find() else { return };
    let (folder, page) = page("report-browser", &[]);
    let figures = page.matches("<figure").count() - page.matches("<figure class=\"strip\"").count();
    assert!(figures > 0, "the page has figures");
    for (width, dark) in [(375, false), (375, true), (820, false), (1280, false), (1280, true)] {
        let Verdict { complaints, facts } = look(browser, &folder, &page, width, dark);
        assert!(complaints.is_empty(), "{width} px, dark: {dark}:\n{}", complaints.join("\n"));
        let scheme = if dark { "dark" } else { "light" };
        let expected = [
            format!("width {width}"),
            format!("figures {figures}"),
            scheme.to_owned(),
            format!("the ground is {scheme}"),
        ];
        assert_eq!(facts, expected, "{width} px");
    }
}

/// Each fault is put into the page by hand, and the same look at it must find it.
#[test]
fn the_look_at_the_page_finds_what_is_wrong() {
    let Some(browser) = browser::find() else { return };
    let (folder, page) = page("report-canary", &["table6"]);
    let end = "</main>";
    assert_eq!(page.matches(end).count(), 1);
    for (fault, words) in [
        ("<div id=\"wide\" style=\"width:700px\">too wide</div>", &["sticks out", "#wide"][..]),
        ("<p id=\"out\" style=\"margin-left:-60px\">cut off</p>", &["sticks out", "#out"]),
        (
            "<figure><svg id=\"gone\" width=\"0\" height=\"0\"></svg></figure>",
            &["cannot be seen", "#gone"],
        ),
        ("<p id=\"pale\" style=\"color:#999;background:#fff\">pale</p>", &["contrast", "#pale"]),
        ("<img src=\"https://example.invalid/x.png\" alt=\"\">", &["example.invalid"]),
    ] {
        let faulty = page.replace(end, &format!("{fault}{end}"));
        let complaints = look(browser, &folder, &faulty, 375, false).complaints.join("\n");
        for word in words {
            assert!(complaints.contains(word), "{fault}: `{word}` is not in: {complaints}");
        }
    }
    // Text in a figure whose colour the style sheet does not know, in the dark.
    let (style, body) = page.split_once("</style>").expect("a style sheet");
    assert!(body.contains("fill=\"#000000\""), "figures have black text");
    let faulty = format!("{style}</style>{}", body.replace("fill=\"#000000\"", "fill=\"#111111\""));
    let complaints = look(browser, &folder, &faulty, 1280, true).complaints.join("\n");
    assert!(complaints.contains("contrast in a figure"), "{complaints}");
}
