//! Golden files: what an answer must be. `UPDATE_GOLDENS=1` writes them anew.

use std::path::Path;

use serde_json::Value;

/// Whether goldens are to be written and not compared.
pub fn is_update() -> bool {
    std::env::var("UPDATE_GOLDENS").is_ok_and(|value| value == "1")
}

/// What is different from the golden in `file`, or that there is none; when updating, nothing, and the file is written.
pub fn difference(file: &Path, actual: &Value) -> Option<String> {
    let text = format!("{actual:#}\n");
    if is_update() {
        std::fs::write(file, text).unwrap();
        return None;
    }
    let Ok(golden) = std::fs::read_to_string(file) else {
        return Some(format!("{} is missing; it would hold\n{text}", file.display()));
    };
    let golden: Value = serde_json::from_str(&golden).unwrap();
    (golden != *actual).then(|| format!("{} holds\n{golden:#}\nbut the answer is\n{text}", file.display()))
}
