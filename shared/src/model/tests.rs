#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::{Catalog, ModelError, ModelId, Profile, ResolvedModel};
use crate::price::PriceList;

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

fn catalog() -> Catalog {
    Catalog::new(&PriceList::embedded().unwrap())
}

fn resolve(id: &str) -> Result<ResolvedModel, ModelError> {
    catalog().resolve(id)
}

fn bedrock_id(id: &str) -> String {
    resolve(id).unwrap_or_else(|error| panic!("{id}: {error}")).bedrock_id
}

#[test]
fn every_id_of_the_catalog_means_itself_and_has_a_price() {
    let prices = PriceList::embedded().unwrap();
    let catalog = Catalog::new(&prices);
    for id in catalog.ids() {
        let model = catalog.resolve(id).unwrap();
        assert_eq!(
            (
                model.bedrock_id.as_str(),
                model.price_key.as_str(),
                model.requested.as_str()
            ),
            (id, id, id)
        );
        let prefix = model
            .profile
            .map_or(String::new(), |profile| format!("{}.", profile.label()));
        assert_eq!(format!("{prefix}{}", model.base), id);
        assert!(prices.rates(&model.price_key).is_ok());
    }
}

#[test]
fn other_vendors_models_have_their_ids_and_no_other_names() {
    for (id, profile, base) in [
        ("amazon.nova-pro-v1:0", None, "amazon.nova-pro-v1:0"),
        ("us.amazon.nova-pro-v1:0", Some(Profile::Us), "amazon.nova-pro-v1:0"),
        ("in.moonshotai.kimi-k3", Some(Profile::In), "moonshotai.kimi-k3"),
        ("openai.gpt-oss-120b-1:0", None, "openai.gpt-oss-120b-1:0"),
    ] {
        let model = resolve(id).unwrap();
        assert_eq!((model.profile, model.base.as_str()), (profile, base));
        assert!(!model.is_claude());
    }
    let arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0";
    assert_eq!(resolve(arn).unwrap().price_key, "amazon.nova-pro-v1:0");
    assert!(resolve(SONNET).unwrap().is_claude());
}

#[test]
fn a_profile_is_part_of_the_id() {
    assert_eq!(
        resolve(&format!("us-gov.{SONNET}")).unwrap().profile,
        Some(Profile::UsGov)
    );
    assert_eq!(
        resolve(&format!("global.{SONNET}")).unwrap().profile,
        Some(Profile::Global)
    );
    assert_eq!(resolve(SONNET).unwrap().profile, None);
    assert_eq!(resolve(&format!("us.{SONNET}")).unwrap().base, SONNET);
}

/// alias to Bedrock id.
#[test]
fn an_anthropic_name_means_the_global_profile() {
    let global = format!("global.{SONNET}");
    for name in [
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5-latest",
        "claude-sonnet-4-5-20250929-v1:0",
    ] {
        let model = resolve(name).unwrap();
        assert_eq!(
            (model.requested.as_str(), &model.bedrock_id, &model.price_key),
            (name, &global, &global)
        );
    }
    assert_eq!(bedrock_id("claude-opus-5"), "global.anthropic.claude-opus-5");
    assert_eq!(bedrock_id("claude-opus-4-6"), "global.anthropic.claude-opus-4-6-v1");
    assert_eq!(
        bedrock_id("claude-haiku-4-5"),
        "global.anthropic.claude-haiku-4-5-20251001-v1:0"
    );
    assert_eq!(
        bedrock_id("claude-sonnet-4-0"),
        "global.anthropic.claude-sonnet-4-20250514-v1:0"
    );
    assert_eq!(
        bedrock_id("claude-sonnet-4"),
        "global.anthropic.claude-sonnet-4-20250514-v1:0"
    );
}

#[test]
fn an_anthropic_name_without_a_global_profile_means_the_us_one_or_none() {
    assert_eq!(
        bedrock_id("claude-opus-4-1"),
        "us.anthropic.claude-opus-4-1-20250805-v1:0"
    );
    assert_eq!(
        bedrock_id("claude-opus-4-0"),
        "us.anthropic.claude-opus-4-20250514-v1:0"
    );
    assert_eq!(
        bedrock_id("claude-3-7-sonnet-latest"),
        "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
    );
    assert_eq!(bedrock_id("claude-mythos-5"), "us.anthropic.claude-mythos-5");
    assert_eq!(bedrock_id("claude-instant"), "anthropic.claude-instant-v1");
}

#[test]
fn a_name_without_a_date_means_the_newest() {
    let newest = "us.anthropic.claude-3-5-sonnet-20241022-v2:0";
    assert_eq!(bedrock_id("claude-3-5-sonnet-latest"), newest);
    assert_eq!(bedrock_id("claude-3-5-sonnet"), newest);
    assert_eq!(bedrock_id("claude-3-5-sonnet-20241022"), newest);
    assert_eq!(
        bedrock_id("claude-3-5-sonnet-20240620"),
        "us.anthropic.claude-3-5-sonnet-20240620-v1:0"
    );
}

#[test]
fn every_catalog_model_answers_to_its_anthropic_names() {
    let catalog = catalog();
    for id in catalog.ids() {
        let model = catalog.resolve(id).unwrap();
        if !model.is_claude() {
            continue;
        }
        let base = model.base;
        let name = base.strip_prefix("anthropic.").unwrap();
        assert_eq!(
            catalog.resolve(name).map(|model| model.base),
            Ok(base.clone()),
            "{name}"
        );
        let dated = name.split("-v").next().unwrap();
        if dated != "claude" {
            assert_eq!(
                catalog.resolve(dated).map(|model| model.base),
                Ok(base.clone()),
                "{dated}"
            );
        }
    }
}

#[test]
fn the_mark_of_a_million_tokens_is_taken_off() {
    let model = resolve("claude-opus-4-8[1m]").unwrap();
    assert_eq!(
        (model.requested.as_str(), model.bedrock_id.as_str()),
        ("claude-opus-4-8[1m]", "global.anthropic.claude-opus-4-8")
    );
    assert_eq!(
        bedrock_id("us.anthropic.claude-sonnet-4-6[1M]"),
        "us.anthropic.claude-sonnet-4-6"
    );
    assert_eq!(
        bedrock_id("claude-opus-4-6-v1[1m]"),
        "global.anthropic.claude-opus-4-6-v1"
    );
    for bad in [
        "claude-opus-4-8[1m][1m]",
        "[1m]",
        "claude-opus-4-8[2m]",
        "claude[1m]-opus-4-8",
    ] {
        assert_eq!(resolve(bad), Err(ModelError::Malformed), "{bad}");
    }
}

#[test]
fn an_arn_goes_up_as_the_id_that_it_names_and_never_chooses_region_or_account() {
    let profile = format!("arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.{SONNET}");
    let model = resolve(&profile).unwrap();
    assert_eq!(
        (&model.bedrock_id, model.price_key, model.profile),
        (&format!("eu.{SONNET}"), format!("eu.{SONNET}"), Some(Profile::Eu))
    );
    let foundation = format!("arn:aws:bedrock:us-east-1::foundation-model/{SONNET}");
    let model = resolve(&foundation).unwrap();
    assert_eq!(
        (&model.bedrock_id, model.price_key.as_str(), model.profile),
        (&SONNET.to_owned(), SONNET, None)
    );
    let gov = format!("arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.{SONNET}");
    assert_eq!(resolve(&gov).unwrap().profile, Some(Profile::UsGov));
}

#[test]
fn an_arn_of_another_form_is_malformed() {
    for bad in [
        format!("arn:aws:bedrock:us-east-1:123456789012:foundation-model/{SONNET}"),
        format!("arn:aws:bedrock:us-east-1::inference-profile/us.{SONNET}"),
        format!("arn:aws:bedrock:us-east-1:12345678901:inference-profile/us.{SONNET}"),
        format!("arn:aws:bedrock:us-east-1:1234567890123:inference-profile/us.{SONNET}"),
        format!("arn:aws:bedrock:us-east-1:12345678901x:inference-profile/us.{SONNET}"),
        format!("arn:aws-cn:bedrock:cn-north-1::foundation-model/{SONNET}"),
        format!("arn:aws:bedrock:us-gov-west-1::foundation-model/{SONNET}"),
        format!("arn:aws-us-gov:bedrock:us-east-1::foundation-model/{SONNET}"),
        format!("arn:aws:s3:us-east-1::foundation-model/{SONNET}"),
        format!("arn:aws:bedrock:::foundation-model/{SONNET}"),
        format!("arn:aws:bedrock:US-EAST-1::foundation-model/{SONNET}"),
        format!("arn:aws:bedrock:us-east::foundation-model/{SONNET}"),
        "arn:aws:bedrock:us-east-1::foundation-model".to_owned(),
        "arn:aws:bedrock:us-east-1::foundation-model/".to_owned(),
        "arn:aws:bedrock:us-east-1".to_owned(),
        "arn:".to_owned(),
        "arn:::::".to_owned(),
    ] {
        assert_eq!(resolve(&bad), Err(ModelError::Malformed), "{bad}");
    }
}

#[test]
fn an_arn_of_what_is_not_served_is_unknown() {
    for arn in [
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123".to_owned(),
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc123".to_owned(),
        "arn:aws:bedrock:us-east-1:123456789012:imported-model/abc123".to_owned(),
        format!("arn:aws:bedrock:us-east-1::foundation-model/us.{SONNET}"),
        format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{SONNET}"),
        "arn:aws:bedrock:us-east-1::foundation-model/claude-sonnet-4-5".to_owned(),
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-never-v1:0".to_owned(),
    ] {
        assert_eq!(resolve(&arn), Err(ModelError::Unknown), "{arn}");
    }
}

#[test]
fn a_configured_application_profile_is_priced_as_what_it_runs() {
    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
    let id = format!("us.{SONNET}");
    let with = |arn: &str, id: &str| catalog().with_application_profiles(&format!("{arn}={id}").parse().unwrap());
    let catalog = with(arn, &id);
    let model = catalog.resolve(arn).unwrap();
    assert_eq!(
        (model.bedrock_id.as_str(), model.price_key, model.profile),
        (arn, id.clone(), Some(Profile::Us))
    );
    assert_eq!(catalog.resolve(&arn.replace("abc", "abd")), Err(ModelError::Unknown));
    let unpriced = with(arn, "us.anthropic.claude-99");
    assert_eq!(unpriced.resolve(arn), Err(ModelError::Unpriced));
    assert_eq!(catalog.application_profiles().collect::<Vec<_>>(), [arn]);
}

#[test]
fn every_claude_is_listed_once_by_a_name_that_means_it_the_newest_first() {
    let catalog = catalog();
    let claudes = catalog.claudes();
    let mut ids: Vec<_> = claudes.iter().map(|name| name.id.as_str()).collect();
    for name in &claudes {
        assert_eq!(catalog.resolve(&name.id).unwrap().base, name.base, "{}", name.id);
    }
    let place = |id: &str| ids.iter().position(|known| *known == id).unwrap();
    assert!(place("claude-opus-5-5") < place("claude-opus-5") && place("claude-opus-5") < place("claude-opus-4-6"));
    assert!(place("claude-opus-4-6") < place("claude-opus-4-5-20251101"));
    assert!(place("claude-opus-4-5-20251101") < place("claude-3-opus-20240229"));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), claudes.len());
    let shown = |base: &str| {
        let name = super::ClaudeName::of(base).unwrap();
        (name.display, name.day, name.line)
    };
    assert_eq!(
        shown(SONNET),
        (
            "Claude Sonnet 4.5".to_owned(),
            Some("2025-09-29".to_owned()),
            Some("sonnet".to_owned())
        )
    );
    assert_eq!(shown("anthropic.claude-3-5-haiku-20241022-v1:0").0, "Claude 3.5 Haiku");
    assert_eq!(
        shown("anthropic.claude-opus-5"),
        ("Claude Opus 5".to_owned(), None, Some("opus".to_owned()))
    );
}

#[test]
fn a_claude_without_a_price_is_refused_as_such() {
    for id in [
        "anthropic.claude-3-haiku-20240307-v1:0",
        "us.anthropic.claude-99",
        "claude-99",
        "jp.anthropic.claude-opus-4-1-20250805-v1:0",
        "claude-",
    ] {
        assert_eq!(resolve(id), Err(ModelError::Unpriced), "{id}");
    }
}

#[test]
fn nothing_is_guessed_from_part_of_a_name() {
    for id in [
        "anthropic.claude-sonnet-4-5",
        "anthropic.claude-sonnet-4-5-20250929-v1:0:200k",
        "us.us.anthropic.claude-opus-5",
        "ca.anthropic.claude-opus-5",
        "US.anthropic.claude-opus-5",
        "anthropic.claude-opus-5.",
        "claude-sonnet-4-5-2025092",
        "claude-sonnet-4-5-0",
        "claude-sonnet",
        "claude",
        "claude-latest",
        "claude-2.1",
        "sonnet",
        "amazon.nova-pro",
        "us.amazon.nova-pro",
        "us.global.amazon.nova-pro-v1:0",
        "nova-pro-v1:0",
        "anthropic.",
        ".",
        "meta.llama3",
        "model/anthropic.claude-opus-5",
    ] {
        assert!(
            matches!(resolve(id), Err(ModelError::Unknown | ModelError::Unpriced)),
            "{id}"
        );
    }
}

///
#[test]
fn an_id_with_anything_odd_in_it_is_malformed() {
    let long = "a".repeat(2_049);
    for id in [
        "",
        " anthropic.claude-opus-5",
        "anthropic.claude-opus-5\n",
        "anthropic.claude-opus-5\0",
        "anthropic%2Eclaude-opus-5",
        "..",
        "../model",
        "a//b",
        "anthropic.claude-opus-5/../x",
        "anthropic.claude-opus-5?x=1",
        "anthropic.claude-opus-5#",
        "anthropic\\claude",
        "anthropic.claude-haiku-4-5@20251001",
        "anthropic.clаude-opus-5",
        "anthropic．claude",
        "{\"S\":\"x\"}",
        "*",
        long.as_str(),
    ] {
        assert_eq!(resolve(id), Err(ModelError::Malformed), "{id:?}");
    }
    assert_eq!(resolve(&"a".repeat(2_048)), Err(ModelError::Unknown));
}

proptest! {
    #[test]
    fn no_text_panics_and_what_resolves_is_in_the_catalog(text in prop_oneof![any::<String>(), "(arn:aws:bedrock:)?[a-z0-9.:/-]{0,60}", "claude-[a-z0-9-]{0,20}(-latest|-v1:0|\\[1m\\])?"]) {
        let catalog = catalog();
        if let Ok(model) = catalog.resolve(&text) {
            prop_assert!(catalog.ids().any(|id| id == model.price_key));
        }
    }

    #[test]
    fn what_is_well_formed_is_safe_in_a_path(text in ".{0,40}") {
        if let Ok(id) = text.parse::<ModelId>() {
            prop_assert!(!id.as_str().contains("..") && !id.as_str().contains("//"));
            prop_assert!(id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte)));
        }
    }
}
