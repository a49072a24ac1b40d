//! `pipesd keys`: the keys of `--set`.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::Keys;
use crate::input::{KEYS, Key, markdown};
use crate::output;

pub(crate) fn run(options: &Keys) -> Result<()> {
    if options.markdown {
        return output::print(&markdown());
    }
    if options.json {
        let keys: Vec<Value> = KEYS.iter().map(document).collect();
        return output::print_json(&keys);
    }
    let mut table = output::Rows::new(&["key", "unit", "range", "default", "meaning"], 5);
    for Key { name, unit, range, default, meaning, .. } in KEYS {
        table.push([*name, *unit, *range, *default, *meaning].map(str::to_owned));
    }
    output::print(&format!("{table}\n"))
}

fn document(key: &Key) -> Value {
    let Key { name, unit, range, default, meaning, .. } = key;
    json!({ "key": name, "unit": unit, "range": range, "default": default, "meaning": meaning })
}
