//! The report as a reader meets it: in a browser, on a phone and on a laptop, in light and dark.

mod browser;

use std::fs;
use std::path::PathBuf;

use self::browser::{Verdict, View, look};
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
    for item in ["table1", "table4", "findings", "reading", "lines", "appendix"] {
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
    assert!(
        page.matches("class=\"scroll canvas narrow\"").count() > 2,
        "wide figures have two forms"
    );
    let view = |width, dark, open| View { width, dark, open };
    for view in [
        view(375, false, true),
        view(375, true, true),
        view(375, false, false),
        view(820, false, true),
        view(1280, false, true),
        view(1280, true, true),
        view(1280, false, false),
    ] {
        let View { width, dark, open } = view;
        let Verdict { complaints, facts } = look(browser, &folder, &page, view);
        assert!(complaints.is_empty(), "{view:?}:\n{}", complaints.join("\n"));
        let scheme = if dark { "dark" } else { "light" };
        let expected = [
            format!("width {width}"),
            format!("figures {figures}"),
            format!("all {}", if open { "open" } else { "folded" }),
            scheme.to_owned(),
            format!("the ground is {scheme}"),
        ];
        assert_eq!(facts, expected, "{view:?}");
    }
}

/// Each fault is put into the page by hand, and the same look at it must find it.
#[test]
fn the_look_at_the_page_finds_what_is_wrong() {
    let Some(browser) = browser::find() else { return };
    let (folder, page) = page("report-canary", &["table6"]);
    let end = "</main>";
    let phone = View { width: 375, dark: false, open: true };
    assert_eq!(page.matches(end).count(), 1);
    for (fault, words) in [
        ("<div id=\"wide\" style=\"width:700px\">too wide</div>", &["sticks out", "#wide"][..]),
        ("<p id=\"out\" style=\"margin-left:-60px\">cut off</p>", &["sticks out", "#out"]),
        (
            "<figure><svg id=\"gone\" width=\"0\" height=\"0\"></svg></figure>",
            &["cannot be seen", "#gone"],
        ),
        (
            "<div style=\"overflow:auto;max-height:30px\"><table id=\"cut\"><tr><td>1<br>2<br>3</td></tr>\
             </table></div>",
            &["a table is cut", "#cut"],
        ),
        (
            "<figure id=\"twice\"><svg width=\"60\" height=\"30\"><title>a</title></svg>\
             <svg width=\"60\" height=\"30\"><title>b</title></svg></figure>",
            &["a figure is not shown once", "#twice"],
        ),
        ("<p id=\"pale\" style=\"color:#999;background:#fff\">pale</p>", &["contrast", "#pale"]),
        ("<img src=\"https://example.invalid/x.png\" alt=\"\">", &["example.invalid"]),
    ] {
        let faulty = page.replace(end, &format!("{fault}{end}"));
        let complaints = look(browser, &folder, &faulty, phone).complaints.join("\n");
        for word in words {
            assert!(complaints.contains(word), "{fault}: `{word}` is not in: {complaints}");
        }
    }
    // Text in a figure whose colour the style sheet does not know, in the dark.
    let (style, body) = page.split_once("</style>").expect("a style sheet");
    assert!(body.contains("fill=\"#000000\""), "figures have black text");
    let faulty = format!("{style}</style>{}", body.replace("fill=\"#000000\"", "fill=\"#111111\""));
    let complaints = look(browser, &folder, &faulty, View { width: 1280, dark: true, open: true })
        .complaints
        .join("\n");
    assert!(complaints.contains("contrast in a figure"), "{complaints}");
}
