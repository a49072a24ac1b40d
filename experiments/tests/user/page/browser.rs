//! A headless Chromium that looks at a page in a frame of a given width, in light or dark.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// What the browser is called, by system.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Says that there is no browser here and that this is known.
const SKIP: &str = "PIPESD_SKIP_BROWSER";

/// How long a browser may take; a hanging one is killed.
const PATIENCE: Duration = Duration::from_secs(90);
const GLANCE: Duration = Duration::from_millis(50);

/// The browser's name; None if the user knows that there is none.
///
/// # Panics
/// If there is none, and nobody has said so.
pub(super) fn find() -> Option<&'static str> {
    if std::env::var(SKIP).is_ok_and(|value| value == "1") {
        eprintln!("{SKIP}=1: the page is not looked at");
        return None;
    }
    let runs = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let found = NAMES.into_iter().find(runs);
    assert!(
        found.is_some(),
        "no browser: install chromium (or set {SKIP}=1 to do without this test)"
    );
    found
}

/// What was found.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) complaints: Vec<String>,
    pub(super) facts: Vec<String>,
}

/// How a page is looked at: in how many CSS pixels, in the dark or not, with all that is folded open
/// or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) width: u32,
    pub(super) dark: bool,
    pub(super) open: bool,
}

/// Looks at `page`; `folder` is for the browser's files.
pub(super) fn look(browser: &str, folder: &Path, page: &str, view: View) -> Verdict {
    let View { width, dark, open } = view;
    let wrapper = folder.join("wrapper.html");
    fs::write(&wrapper, wrap(page, width, open)).expect("a file of the test");
    let (out, err) = (folder.join("dom.html"), folder.join("stderr.txt"));
    let file = |path: &Path| Stdio::from(File::create(path).expect("a file of the test"));
    let profile = folder.join("profile");
    if profile.exists() {
        fs::remove_dir_all(&profile).expect("a folder of the test");
    }
    let status = wait(
        Command::new(browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--enable-logging=stderr",
                "--window-size=1600,1000",
            ])
            .arg(format!("--blink-settings=preferredColorScheme={}", if dark { 0 } else { 1 }))
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(["--virtual-time-budget=20000", "--dump-dom"])
            .arg(format!("file://{}", wrapper.display()))
            .stdin(Stdio::null())
            .stdout(file(&out))
            .stderr(file(&err)),
    );
    let read = |path: &Path| fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned());
    let (dom, log) = (read(&out).expect("its output"), read(&err).expect("its log"));
    assert!(status.is_some_and(|status| status.success()), "{browser}: {status:?}: {log}");
    verdict(&dom, &log)
}

/// The page in a frame, and the probe, which writes what it has found into the document.
fn wrap(page: &str, width: u32, open: bool) -> String {
    // `<` is escaped so that the page cannot end the script that holds it.
    let page = serde_json::to_string(page).expect("text").replace('<', "\\u003c");
    format!(
        "<!doctype html><meta charset=\"utf-8\"><body style=\"margin:0\">\n\
         <iframe style=\"width:{width}px;height:900px;border:0\"></iframe><pre></pre>\n\
         <script>{}\n\
         const frame = document.querySelector(\"iframe\"), words = document.querySelector(\"pre\");\n\
         frame.onload = () => {{\n\
           try {{ words.textContent = probe(frame, {open}).concat(\"done\").join(\"\\n\"); }}\n\
           catch (error) {{ words.textContent = \"failed: \" + error.stack; }}\n\
         }};\n\
         frame.srcdoc = {page};\n\
         </script></body>\n",
        include_str!("probe.js")
    )
}

fn verdict(dom: &str, log: &str) -> Verdict {
    let said = dom.split("<pre>").nth(1).and_then(|rest| rest.split("</pre>").next());
    let said = said.unwrap_or_else(|| panic!("no verdict: {log}"));
    assert!(said.ends_with("done"), "the probe did not finish: {said}\n{log}");
    let lines = |mark: &str| -> Vec<String> {
        said.lines().filter_map(|line| line.strip_prefix(mark)).map(str::to_owned).collect()
    };
    let mut complaints = lines("complaint: ");
    // What the browser itself complains about: a refused resource, a mistake in the style sheet.
    complaints.extend(log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned));
    Verdict { complaints, facts: lines("fact: ") }
}

/// Waits until it ends; None: killed after [`PATIENCE`].
#[expect(clippy::disallowed_methods, reason = "a test waits for another program")]
fn wait(command: &mut Command) -> Option<ExitStatus> {
    let mut child = command.spawn().expect("the browser starts");
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        std::thread::sleep(GLANCE);
        waited += GLANCE;
    }
    child.kill().expect("a child");
    child.wait().expect("a child");
    None
}
