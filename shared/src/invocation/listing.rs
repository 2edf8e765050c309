//! Which models there are, for the credential that asks: as Anthropic's API lists them, and Bedrock's inference profiles.
//!
//! Sources: Anthropic API, "List models" and "Get a model"; Amazon Bedrock API, `ListInferenceProfiles`. Both come from the catalog alone,
//! so they are there at once.

use axum::response::Response;
use http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Models, check_operation, refused_model};
use crate::error::Error;
use crate::http::{Caller, json as answer, query};
use crate::model::{Catalog, ClaudeName};
use crate::price::{Limits, PriceBook};
use crate::upstream::Operation;

/// How many models Anthropic's API lists unless told otherwise.
const DEFAULT_LIMIT: usize = 20;
/// The longest page of either list.
const LARGEST_LIMIT: usize = 1000;
/// What the API says of a model whose day is not known.
const UNKNOWN_DAY: &str = "1970-01-01";
/// The kinds of profiles.
const SYSTEM: &str = "SYSTEM_DEFINED";
const APPLICATION: &str = "APPLICATION";

/// A model as Anthropic's API describes it.
#[derive(Serialize)]
struct ModelInfo<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    lifecycle: &'static str,
    line: Option<&'a str>,
    max_input_tokens: Option<u64>,
    max_tokens: Option<u64>,
}

impl<'a> ModelInfo<'a> {
    fn of(name: &'a ClaudeName, limits: Option<Limits>) -> Self {
        Self {
            r#type: "model",
            id: &name.id,
            display_name: &name.display,
            created_at: format!("{}T00:00:00Z", name.day.as_deref().unwrap_or(UNKNOWN_DAY)),
            lifecycle: "active",
            line: name.line.as_deref(),
            max_input_tokens: limits.map(|limits| limits.context_tokens.as_u64()),
            max_tokens: limits.map(|limits| limits.max_output_tokens.as_u64()),
        }
    }
}

/// `GET /anthropic/v1/models`: the newest first.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for a page that there is not; [`crate::error::Kind::Unavailable`] without the price book.
pub(super) async fn models(models: &Models, caller: &Caller, uri: &Uri) -> Result<Response, Error> {
    let wanted = Wanted::of(query(uri)?)?;
    let book = models.prices.book().await?;
    let catalog = models.models.catalog(&book);
    let mut names = catalog.claudes();
    names.retain(|name| wanted.active && caller.principal.require_model(&name.base).is_ok());
    let (page, has_more) = wanted.page(&names)?;
    let info = |name| ModelInfo::of(name, limits(&book, &catalog, name));
    let list = json!({
        "data": page.iter().map(info).collect::<Vec<_>>(),
        "has_more": has_more,
        "first_id": page.first().map(|name| &name.id),
        "last_id": page.last().map(|name| &name.id),
    });
    answer(StatusCode::OK, &list)
}

/// `GET /anthropic/v1/models/{id}`, by any name that the model has.
///
/// # Errors
/// [`crate::error::Kind::NotFound`] for what is not served, [`crate::error::Kind::Denied`] for what this credential may not call.
pub(super) async fn model(models: &Models, caller: &Caller, id: &str) -> Result<Response, Error> {
    let book = models.prices.book().await?;
    let catalog = models.models.catalog(&book);
    let model = catalog.resolve(id).map_err(refused_model)?;
    check_operation(Operation::Invoke, &model)?;
    caller.principal.require_model(&model.base)?;
    let name = ClaudeName::of(&model.base).ok_or_else(|| Error::not_found("model"))?;
    answer(StatusCode::OK, &ModelInfo::of(&name, book.limits(&model.price_key)))
}

fn limits(book: &PriceBook, catalog: &Catalog, name: &ClaudeName) -> Option<Limits> {
    let model = catalog.resolve(&name.id).ok()?;
    book.limits(&model.price_key)
}

/// Which page is wanted. What is not known is passed over, as the API does.
struct Wanted {
    limit: usize,
    after: Option<String>,
    before: Option<String>,
    /// Whether models that live are; there are no others.
    active: bool,
}

impl Wanted {
    fn of(pairs: Vec<(String, String)>) -> Result<Self, Error> {
        let mut wanted = Self {
            limit: DEFAULT_LIMIT,
            after: None,
            before: None,
            active: true,
        };
        let mut stages = Vec::new();
        for (name, value) in pairs {
            match name.as_str() {
                "limit" => wanted.limit = limit_of(&value, "limit")?,
                "after_id" => wanted.after = Some(value),
                "before_id" => wanted.before = Some(value),
                "lifecycle" | "lifecycle[]" => stages.push(value),
                _ => {}
            }
        }
        wanted.active = stages.is_empty() || stages.iter().any(|stage| stage == "active");
        if wanted.after.is_some() && wanted.before.is_some() {
            return Err(Error::invalid("Only one of before_id and after_id can be given"));
        }
        Ok(wanted)
    }

    /// The page, and whether there is more in its direction.
    fn page<'n>(&self, names: &'n [ClaudeName]) -> Result<(&'n [ClaudeName], bool), Error> {
        let place = |id: &String| {
            let found = names.iter().position(|name| name.id == *id);
            found.ok_or_else(|| Error::invalid("There is no model of the id that the page is told by"))
        };
        let (start, end, has_more) = if let Some(before) = &self.before {
            let end = place(before)?;
            let start = end.saturating_sub(self.limit);
            (start, end, start > 0)
        } else {
            let start = self.after.as_ref().map(place).transpose()?.map_or(0, |place| place + 1);
            let end = names.len().min(start.saturating_add(self.limit));
            (start, end, end < names.len())
        };
        Ok((names.get(start..end).unwrap_or_default(), has_more))
    }
}

fn limit_of(text: &str, name: &str) -> Result<usize, Error> {
    let limit = text.parse().ok().filter(|limit| (1..=LARGEST_LIMIT).contains(limit));
    limit.ok_or_else(|| Error::invalid(format!("{name}: Input should be from 1 to 1000")))
}

/// `GET /bedrock/inference-profiles`: of the models that the credential may call. `account` is the one that serves them.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for a page that there is not; [`crate::error::Kind::Unavailable`] without the price book.
pub(super) async fn inference_profiles(
    models: &Models,
    caller: &Caller,
    uri: &Uri,
    account: &str,
) -> Result<Response, Error> {
    let (mut limit, mut token, mut kind) = (LARGEST_LIMIT, None, None);
    for (name, value) in query::<Vec<(String, String)>>(uri)? {
        match name.as_str() {
            "maxResults" => limit = limit_of(&value, "maxResults")?,
            "nextToken" => token = Some(value),
            "type" => kind = Some(value),
            _ => {}
        }
    }
    if kind
        .as_deref()
        .is_some_and(|kind| ![SYSTEM, APPLICATION].contains(&kind))
    {
        return Err(Error::invalid("type: Input should be SYSTEM_DEFINED or APPLICATION"));
    }
    let book = models.prices.book().await?;
    let mut all = profiles(&models.models.catalog(&book), &models.region, account);
    all.retain(|profile| {
        let wanted = kind.as_deref().is_none_or(|kind| profile.kind == kind);
        wanted && caller.principal.require_model(&profile.base).is_ok()
    });
    // A token is the ARN of the last profile of the page before: one of a list that has changed is as good.
    let start = token.map_or(0, |token| all.partition_point(|profile| profile.arn <= token));
    let end = all.len().min(start.saturating_add(limit));
    let page = all.get(start..end).unwrap_or_default();
    let shown: Vec<_> = page.iter().map(|profile| profile.shown(&models.region)).collect();
    let mut list = json!({"inferenceProfileSummaries": shown});
    if let Some(last) = page.last().filter(|_| end < all.len()) {
        list["nextToken"] = json!(last.arn);
    }
    answer(StatusCode::OK, &list)
}

struct ListedProfile {
    arn: String,
    id: String,
    kind: &'static str,
    base: String,
}

/// All profiles, in the order of their ARNs.
fn profiles(catalog: &Catalog, region: &str, account: &str) -> Vec<ListedProfile> {
    let system = catalog.ids().filter_map(|id| {
        let model = catalog.resolve(id).ok().filter(|model| model.profile.is_some())?;
        let partition = partition(region);
        Some(ListedProfile {
            arn: format!("arn:{partition}:bedrock:{region}:{account}:inference-profile/{id}"),
            id: id.to_owned(),
            kind: SYSTEM,
            base: model.base,
        })
    });
    let application = catalog.application_profiles().filter_map(|arn| {
        let (_, id) = arn.rsplit_once('/')?;
        Some(ListedProfile {
            arn: arn.to_owned(),
            id: id.to_owned(),
            kind: APPLICATION,
            base: catalog.resolve(arn).ok()?.base,
        })
    });
    let mut all: Vec<_> = system.chain(application).collect();
    all.sort_by(|a, b| a.arn.cmp(&b.arn));
    all
}

impl ListedProfile {
    fn shown(&self, region: &str) -> Value {
        let (partition, base) = (partition(region), &self.base);
        json!({
            "inferenceProfileArn": self.arn,
            "inferenceProfileId": self.id,
            "inferenceProfileName": self.id,
            "models": [{"modelArn": format!("arn:{partition}:bedrock:{region}::foundation-model/{base}")}],
            "status": "ACTIVE",
            "type": self.kind,
        })
    }
}

fn partition(region: &str) -> &'static str {
    if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}
