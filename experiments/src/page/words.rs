//! Keys as people read them, by the figures' own list: in headers and cells of tables, and in sentences
//! that items write.

use pipesd_plots::names;

use crate::items::Table;

/// What tables say and the list of names does not hold.
const OTHERS: &[(&str, &str)] = &[
    ("in_sample", "in sample"),
    ("figure", "quantity"),
    ("dp", "DP"),
    ("authors' samples", "authors’ samples"),
];

/// A text whose keys, wherever they stand between other letters, are named.
pub(super) fn text(text: &str) -> String {
    let is_key = |letter: char| letter.is_alphanumeric() || ['_', '-', '\''].contains(&letter);
    let mut named = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_key) {
        let (before, from) = rest.split_at(start);
        let (key, after) = from.split_at(from.find(|c| !is_key(c)).unwrap_or(from.len()));
        named.push_str(before);
        named.push_str(&one(key).unwrap_or_else(|| key.to_owned()));
        rest = after;
    }
    named + rest
}

fn one(key: &str) -> Option<String> {
    let other = OTHERS.iter().find(|(name, _)| *name == key).map(|(_, name)| *name);
    other.or_else(|| names::known(key)).map(str::to_owned)
}

/// A list of words in which keys are named; that it is about methods tells those of its words that are
/// English, too, from English.
fn list(words: &[&str]) -> Vec<String> {
    let methods = words.iter().any(|word| *word == "bayes" || *word == "pipesd");
    let named = |word: &&str| {
        if methods && !word.contains(' ') && one(word).is_none() {
            return names::method(word);
        }
        text(word)
    };
    words.iter().map(named).collect()
}

/// The table with its header, its columns of words and the winners in its cells named.
pub(super) fn named(table: &Table) -> Table {
    let header: Vec<&str> = table.header.iter().map(String::as_str).collect();
    let (words, numbers) = header.split_at(table.words.min(header.len()));
    let mut rows = table.rows.clone();
    for (column, heading) in words.iter().enumerate() {
        let cells: Vec<&str> =
            table.rows.iter().map(|row| row.get(column).map_or("", String::as_str)).collect();
        // A dataset may be called by a word of English.
        let named = match *heading {
            "dataset" => cells.into_iter().map(|cell| text(&names::dataset(cell))).collect(),
            _ => list(&cells),
        };
        for (row, name) in rows.iter_mut().zip(named) {
            if let Some(cell) = row.get_mut(column) {
                *cell = name;
            }
        }
    }
    for cell in rows.iter_mut().flat_map(|row| row.iter_mut().skip(table.words)) {
        *cell = winner(cell);
    }
    let mut header: Vec<String> = words.iter().map(|word| text(word)).collect();
    header.extend(list(numbers));
    Table { caption: text_outside_code(&table.caption), header, words: table.words, rows }
}

/// `serial 1.2x` and `serial ~ pipesd`, named; any other cell as it is.
fn winner(cell: &str) -> String {
    let words: Vec<&str> = cell.split(' ').collect();
    match words[..] {
        [first, "~", second] => format!("{} ~ {}", names::method(first), names::method(second)),
        [first, times] if times.ends_with('x') && first.starts_with(char::is_alphabetic) => {
            format!("{} {}×", names::method(first), times.trim_end_matches('x'))
        }
        _ => cell.to_owned(),
    }
}

/// A text whose keys are named outside of backticks.
pub(super) fn text_outside_code(whole: &str) -> String {
    let parts = whole.split('`').enumerate();
    let named =
        parts.map(|(index, part)| if index % 2 == 1 { part.to_owned() } else { text(part) });
    named.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_wherever_they_stand() {
        for (given, wanted) in [
            ("pipesd on gsm8k +31.7 %", "PipeSD on GSM8K +31.7 %"),
            ("humaneval; s1-laptop; hsl, edgellm", "HumanEval; S1 laptop; HSL, EdgeLLM"),
            ("in_sample", "in sample"),
            ("the paper's random bound", "the paper's random bound"),
            ("draft_length=8", "draft_length=8"),
        ] {
            assert_eq!(text(given), wanted);
        }
        assert_eq!(text_outside_code("hsl `--method hsl`"), "HSL `--method hsl`");
    }

    #[test]
    fn words_of_english_are_methods_among_methods_alone() {
        assert_eq!(list(&["bayes", "paper"]), ["our tuner", "the paper's tuner"]);
        assert_eq!(list(&["mean", "paper"]), ["mean", "paper"]);
        assert_eq!(list(&["serial", "pipesd", "from (s)"]), ["serial split", "PipeSD", "from (s)"]);
    }

    #[test]
    fn a_dataset_is_named_in_its_column_and_its_word_left_alone_elsewhere() {
        let table = Table {
            caption: "as small as before".to_owned(),
            header: ["dataset", "method", "value"].map(str::to_owned).to_vec(),
            words: 2,
            rows: vec![["small", "small", "1"].map(str::to_owned).to_vec()],
        };
        let named = named(&table);
        assert_eq!(named.caption, "as small as before");
        assert_eq!(named.rows, [["Our own pair", "small", "1"]]);
    }

    #[test]
    fn winners_are_named() {
        assert_eq!(winner("cloud_only 10.5x"), "cloud only 10.5×");
        assert_eq!(winner("serial ~ pipesd"), "serial split ~ PipeSD");
        assert_eq!(winner("136 (129) +5.1 %"), "136 (129) +5.1 %");
    }
}
