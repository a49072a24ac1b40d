//! Prompt files: a JSON object a line.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Pair, PairError, read};

/// A prompt. Further fields of its line are of no use here: HumanEval's and GSM8K's files are read as
/// they are published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Prompt {
    /// Its name in reports; of a line without one: its file's and the line's number.
    #[serde(default, alias = "task_id")]
    pub id: String,
    /// What kind of task it is; empty: not told.
    #[serde(default)]
    pub family: String,
    /// The text, to be put into the pair's template.
    #[serde(alias = "question")]
    pub prompt: String,
    /// What an answer is checked against; its form is the family's.
    #[serde(default, alias = "answer")]
    pub check: Value,
}

/// The prompts of a pair: of several files one each in turn, so that a short run sees all kinds.
/// `family`: of this kind alone.
///
/// # Errors
/// A file that cannot be read or a line that is none, by number; or if there is no prompt at all.
pub fn read_prompts(pair: &Pair, family: Option<&str>) -> Result<Vec<Prompt>, PairError> {
    let wanted = |prompt: &Prompt| family.is_none_or(|family| prompt.family == family);
    let mut files = Vec::new();
    let mut families = std::collections::BTreeSet::new();
    for path in &pair.spec.prompts {
        let prompts = read_file(&pair.path(path))?;
        families.extend(prompts.iter().map(|prompt| prompt.family.clone()));
        files.push(prompts.into_iter().filter(wanted).collect::<Vec<_>>().into_iter());
    }
    let mut prompts = Vec::new();
    loop {
        let before = prompts.len();
        prompts.extend(files.iter_mut().filter_map(Iterator::next));
        if prompts.len() == before {
            break;
        }
    }
    if prompts.is_empty() {
        let family = family.unwrap_or_default();
        let known = families.into_iter().collect::<Vec<_>>().join(", ");
        let problem = format!("no prompt of family `{family}`; there are: {known}");
        return Err(PairError { place: format!("pair `{}`", pair.name), problem });
    }
    Ok(prompts)
}

fn read_file(path: &Path) -> Result<Vec<Prompt>, PairError> {
    let text = read(path)?;
    let mut prompts = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let at_line =
            |problem: String| PairError { place: format!("{}:{number}", path.display()), problem };
        let mut prompt: Prompt = serde_json::from_str(line).map_err(|error| {
            at_line(format!("{error}; a line is an object with a string \"prompt\""))
        })?;
        if prompt.prompt.is_empty() {
            return Err(at_line("the prompt is empty".into()));
        }
        if prompt.id.is_empty() {
            let name = path.file_name().unwrap_or_default().display();
            prompt.id = format!("{name}:{number}");
        }
        prompts.push(prompt);
    }
    if prompts.is_empty() {
        return Err(PairError::new(path, "there is no prompt in it: one JSON object a line"));
    }
    Ok(prompts)
}
