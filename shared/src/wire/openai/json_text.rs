//! Finds the one JSON object in what a model says, piece by piece: models that are asked for nothing but JSON sometimes put a code fence
//! or a sentence around it.

/// Lets through a JSON object and nothing around it.
#[derive(Debug, Default)]
pub(super) struct JsonText {
    /// What was said before any object.
    before: String,
    depth: usize,
    in_string: bool,
    escaped: bool,
    over: bool,
}

impl JsonText {
    /// What of the next piece belongs to the object.
    pub(super) fn push(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for it in piece.chars() {
            if self.over {
                break;
            }
            if self.depth == 0 && it != '{' {
                self.before.push(it);
                continue;
            }
            out.push(it);
            self.read(it);
        }
        out
    }

    /// What was said instead, where no object came at all.
    pub(super) fn rest(&mut self) -> String {
        if self.over || self.depth > 0 {
            String::new()
        } else {
            std::mem::take(&mut self.before)
        }
    }

    fn read(&mut self, it: char) {
        if self.in_string {
            match it {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match it {
            '"' => self.in_string = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                self.over = self.depth == 0;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> String {
        let mut json = JsonText::default();
        let found = json.push(text);
        found + &json.rest()
    }

    #[test]
    fn what_stands_around_an_object_stays_behind() {
        let object = r#"{"a": "}\"{", "b": [1, {"c": "\\"}]}"#;
        for text in [
            object.to_owned(),
            format!("```json\n{object}\n```"),
            format!("Here you are: {object} Anything else? {{}}"),
        ] {
            assert_eq!(whole(&text), object);
        }
    }

    #[test]
    fn what_is_no_object_is_said_as_it_is() {
        assert_eq!(whole("I cannot do that."), "I cannot do that.");
        assert_eq!(whole(r#"{"cut": "of"#), r#"{"cut": "of"#);
    }

    proptest! {
        #[test]
        fn how_a_text_is_cut_makes_no_difference(value in "[a-z\"\\\\{}\\[\\]é ]{0,30}", at in 0_usize..60) {
            let text = format!("```{}```", serde_json::json!({"a": value, "b": [1, null]}));
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let (one, other) = text.split_at(at);
            let mut json = JsonText::default();
            let parts = json.push(one) + &json.push(other) + &json.rest();
            prop_assert_eq!(&parts, &whole(&text));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&parts).is_ok());
        }
    }
}
