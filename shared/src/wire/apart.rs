//! Members of a Claude body that have a price beside the tokens at the rates of model and tier, and that no price here covers: they are
//! refused before the call, whether Bedrock takes them today or not.
//!
//! Sources: Anthropic's API reference (Messages, "Fast mode", "Service tiers", "Data residency", "Server-side fallback") and price page. None
//! of them is documented for Bedrock, where the tier stands in a header and the geography in the model's profile.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::Object;
use crate::error::Error;

/// A member, and the values of it that cost nothing more.
struct Apart {
    name: &'static str,
    free: &'static [&'static str],
    about: &'static str,
}

const MEMBERS: [Apart; 4] = [
    Apart {
        name: "speed",
        free: &["standard"],
        about: "fast mode changes the price, and has none here; leave it out, or send `standard`",
    },
    Apart {
        name: "service_tier",
        free: &["auto", "standard_only"],
        about: "Input should be `auto` or `standard_only`; Bedrock's own tiers stand in a header, and have prices",
    },
    Apart {
        name: "inference_geo",
        free: &["global"],
        about: "the geography changes the price; on Bedrock the model's profile says it (`us.`, `eu.`, `global.`)",
    },
    Apart {
        name: "fallbacks",
        free: &[],
        about: "another model that answers has another price; call it by its own name",
    },
];

/// What the types of tools begin with that are paid by the use, or that run another model.
const TOOLS: [&str; 3] = ["web_search_", "code_execution_", "advisor_"];

/// Passes if all that the body asks for is paid by its tokens.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] with the member's name, for the caller.
pub(super) fn check(object: &Object<'_>) -> Result<(), Error> {
    for member in &MEMBERS {
        let value = object.text(member.name).unwrap_or("null");
        if !is_free(member, value) {
            return Err(refused(member.name, member.about));
        }
    }
    check_tools(object)
}

/// The value may be written with escapes, so it is read and not compared.
fn is_free(member: &Apart, value: &str) -> bool {
    match serde_json::from_str::<Option<Cow<'_, str>>>(value) {
        Ok(None) => true,
        Ok(Some(value)) => member.free.contains(&&*value),
        Err(_) => false,
    }
}

/// A tool whose type cannot be told, since it is written twice or is no text, may be any.
fn check_tools(object: &Object<'_>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Tool<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Option<Cow<'a, str>>,
    }
    let Some(tools) = object.read::<Option<Vec<&RawValue>>>("tools") else {
        return Ok(());
    };
    let tools = tools.map_err(|_| refused("tools", "Input should be a valid list"))?;
    for (index, tool) in tools.unwrap_or_default().into_iter().enumerate() {
        let place = format!("tools.{index}");
        let tool: Tool<'_> =
            serde_json::from_str(tool.get()).map_err(|_| refused(&place, "Input should be a tool with one `type`"))?;
        if tool
            .kind
            .is_some_and(|kind| TOOLS.iter().any(|start| kind.starts_with(start)))
        {
            return Err(refused(
                &place,
                "a tool of the server is paid by the use, and has no price here",
            ));
        }
    }
    Ok(())
}

fn refused(place: &str, about: &str) -> Error {
    Error::invalid(format!("{place}: {about}")).about(place.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn of(members: &str) -> Result<(), Error> {
        check(&Object::parse(format!("{{{members}}}").as_bytes()).unwrap())
    }

    #[test]
    fn what_has_another_price_is_refused_by_name_and_what_asks_for_the_usual_is_not() {
        for (members, place) in [
            (r#""speed":"fast""#, "speed"),
            (r#""speed":"f\u0061st""#, "speed"),
            (r#""\u0073peed":"fast""#, "speed"),
            (r#""speed":1"#, "speed"),
            (r#""service_tier":"priority""#, "service_tier"),
            (r#""inference_geo":"us""#, "inference_geo"),
            (r#""fallbacks":"default""#, "fallbacks"),
            (r#""fallbacks":[{"model":"claude-opus-5"}]"#, "fallbacks"),
            (
                r#""tools":[{"name":"a"},{"type":"web_search_20260318","name":"web_search"}]"#,
                "tools.1",
            ),
            (r#""tools":[{"type":"code_execution_20260521","name":"c"}]"#, "tools.0"),
            (
                r#""tools":[{"type":"\u0061dvisor_20260301","name":"advisor"}]"#,
                "tools.0",
            ),
            (
                r#""tools":[{"type":"custom","name":"a","type":"web_search_20260318"}]"#,
                "tools.0",
            ),
            (
                r#""tools":[{"type":"custom","ty\u0070e":"web_search_20260318"}]"#,
                "tools.0",
            ),
            (r#""tools":[{"type":"custom"},1]"#, "tools.1"),
            (r#""tools":[{"type":["web_search_20260318"]}]"#, "tools.0"),
            (r#""tools":{"type":"web_search_20260318"}"#, "tools"),
        ] {
            let error = of(members).unwrap_err();
            assert_eq!(
                (error.kind, error.param.as_deref()),
                (Kind::InvalidRequest, Some(place)),
                "{members}"
            );
            assert!(error.message.starts_with(place), "{members}: {}", error.message);
        }
        for members in [
            r#""speed":"standard","service_tier":"auto","inference_geo":"global""#,
            r#""speed":null,"service_tier":"standard_only","fallbacks":null,"tools":null"#,
            r#""tools":[{"name":"web_search_2","input_schema":{"type":"web_search_x"}},{"type":"custom"},{"type":"web_fetch_20260318"}]"#,
        ] {
            assert!(of(members).is_ok(), "{members}");
        }
    }
}
