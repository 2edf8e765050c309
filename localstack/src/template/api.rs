//! `AWS::Serverless::Api`, its authorizers, and the routes that functions' events make.

use std::collections::BTreeMap;

use serde_json::Value;

use super::functions::{Declared, Function};
use super::gateway_responses::{self, GatewayResponse};
use super::intrinsics::Scope;
use super::node::Node;
use super::{API_ID, Error};

/// The REST API.
#[derive(Debug, Clone, Default)]
pub struct Api {
    /// The stage's name.
    pub stage: String,
    /// Every route, authorized or not.
    pub routes: Vec<Route>,
    /// Media types whose bodies pass as base64, `*/*` for all.
    pub binary_media_types: Vec<String>,
    /// Answers that the gateway makes itself, by response type.
    pub responses: BTreeMap<String, GatewayResponse>,
    /// Whether the endpoint that every API has answers nobody, since there is a domain to come by.
    pub default_endpoint_is_off: bool,
}

/// A method of a resource and the function behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method in upper case, or `ANY`.
    pub method: String,
    /// The resource path, e.g. `/bedrock/model/{id}/invoke`.
    pub path: String,
    /// The function's name.
    pub function: String,
    /// Whether the answer is streamed.
    pub streamed: bool,
    /// Who checks the caller; nobody on an open route.
    pub authorizer: Option<Authorizer>,
}

/// A Lambda authorizer of type `REQUEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// Its name in the template.
    pub name: String,
    /// The function's name.
    pub function: String,
    /// What a request must carry, and what answers are cached by.
    pub identity_sources: Vec<IdentitySource>,
    /// How long an answer is kept, in seconds; 0 keeps none.
    pub ttl_seconds: u64,
}

/// A part of a request that identifies its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// A header, by its name.
    Header(String),
    /// A query parameter, by its name.
    QueryString(String),
    /// A variable of `$context`, without that prefix.
    Context(String),
}

/// What API Gateway assumes for an authorizer that says nothing, in seconds.
const DEFAULT_TTL_SECONDS: u64 = 300;

pub(super) fn read(scope: &Scope<'_>, functions: &[Declared]) -> Result<Api, Error> {
    let resources = scope.resources("AWS::Serverless::Api")?;
    let (id, resource) = match resources.as_slice() {
        [api] => *api,
        found => {
            return Err(Error::new(
                "Resources",
                format!("one AWS::Serverless::Api is needed, not {}", found.len()),
            ));
        }
    };
    let setting = |name: &str| match scope.property(id, resource, name)? {
        Some(own) => Ok(Some(own)),
        None => scope.global("Api", name),
    };
    let authorizers = Authorizers::read(setting("Auth")?, functions)?;
    Ok(Api {
        stage: scope
            .property_at(id, "StageName", resource.pointer("/Properties/StageName"))?
            .text()?,
        routes: routes(functions, &authorizers)?,
        binary_media_types: binary_media_types(setting("BinaryMediaTypes")?)?,
        responses: gateway_responses::read(setting("GatewayResponses")?)?,
        default_endpoint_is_off: setting("DisableExecuteApiEndpoint")?.map_or(Ok(false), |node| node.boolean())?,
    })
}

/// A `/` in a media type is written `~1` in a template.
fn binary_media_types(node: Option<Node>) -> Result<Vec<String>, Error> {
    let items = node.map_or(Ok(Vec::new()), |node| node.items())?;
    items.iter().map(|item| Ok(item.text()?.replace("~1", "/"))).collect()
}

fn routes(functions: &[Declared], authorizers: &Authorizers) -> Result<Vec<Route>, Error> {
    let mut routes: Vec<Route> = Vec::new();
    for Declared { function, events } in functions {
        for event in events {
            let route = route(function, event, authorizers)?;
            if routes
                .iter()
                .any(|other| other.method == route.method && other.path == route.path)
            {
                return Err(event.error(format!("{} {} is declared twice", route.method, route.path)));
            }
            routes.push(route);
        }
    }
    Ok(routes)
}

fn route(function: &Function, event: &Node, authorizers: &Authorizers) -> Result<Route, Error> {
    let path = event.require("Path")?;
    if !path.text()?.starts_with('/') {
        return Err(path.error("must begin with `/`"));
    }
    if let Some(api) = event.get("RestApiId").filter(|api| api.value != API_ID) {
        return Err(api.error("names another API than the template's"));
    }
    Ok(Route {
        method: event.require("Method")?.text()?.to_uppercase(),
        path: path.text()?,
        function: function.name.clone(),
        streamed: streamed(event)?,
        authorizer: authorizers.of(event)?,
    })
}

/// SAM takes `RESPONSE_STREAM` only; `STREAM` there would silently deploy a buffered route, so it is refused here.
fn streamed(event: &Node) -> Result<bool, Error> {
    let Some(mode) = event.get("ResponseTransferMode") else {
        return Ok(false);
    };
    match mode.text()?.as_str() {
        "RESPONSE_STREAM" => Ok(true),
        "BUFFERED" => Ok(false),
        other => Err(mode.error(format!("must be RESPONSE_STREAM or BUFFERED, not {other}"))),
    }
}

struct Authorizers {
    by_name: BTreeMap<String, Authorizer>,
    default: Option<String>,
}

impl Authorizers {
    fn read(auth: Option<Node>, functions: &[Declared]) -> Result<Self, Error> {
        let mut by_name = BTreeMap::new();
        let declared = auth.as_ref().and_then(|auth| auth.get("Authorizers"));
        for (name, node) in declared.map_or(Ok(Vec::new()), |node| node.entries())? {
            by_name.insert(name.clone(), authorizer(name, &node, functions)?);
        }
        let default = auth
            .and_then(|auth| auth.get("DefaultAuthorizer"))
            .map(|node| node.text())
            .transpose()?;
        Ok(Self { by_name, default })
    }

    fn of(&self, event: &Node) -> Result<Option<Authorizer>, Error> {
        let own = event.get("Auth").and_then(|auth| auth.get("Authorizer"));
        let name = own
            .as_ref()
            .map(Node::text)
            .transpose()?
            .or_else(|| self.default.clone());
        match name {
            None => Ok(None),
            Some(name) if name == "NONE" => Ok(None),
            Some(name) => match self.by_name.get(&name) {
                Some(authorizer) => Ok(Some(authorizer.clone())),
                None => Err(own
                    .as_ref()
                    .unwrap_or(event)
                    .error(format!("there is no authorizer {name}"))),
            },
        }
    }
}

fn authorizer(name: String, node: &Node, functions: &[Declared]) -> Result<Authorizer, Error> {
    let arn = node.require("FunctionArn")?;
    let arn_text = arn.text()?;
    let mut functions = functions.iter().map(|declared| &declared.function);
    let function = functions.find(|function| function.arn == arn_text);
    let kind = node.get("FunctionPayloadType");
    if kind.as_ref().is_none_or(|kind| kind.value != "REQUEST") {
        return Err(kind
            .as_ref()
            .unwrap_or(node)
            .error("only authorizers of the payload type REQUEST are known here"));
    }
    let identity = node
        .get("Identity")
        .unwrap_or_else(|| Node::new(&node.path, Value::Null));
    let identity_sources = identity_sources(&identity)?;
    let ttl_seconds = identity
        .get("ReauthorizeEvery")
        .map_or(Ok(DEFAULT_TTL_SECONDS), |node| node.integer())?;
    if identity_sources.is_empty() && ttl_seconds > 0 {
        return Err(identity.error("an authorizer without identity sources needs ReauthorizeEvery: 0"));
    }
    Ok(Authorizer {
        name,
        function: function
            .ok_or_else(|| arn.error("is no function of this template"))?
            .name
            .clone(),
        identity_sources,
        ttl_seconds,
    })
}

fn identity_sources(identity: &Node) -> Result<Vec<IdentitySource>, Error> {
    let mut sources = Vec::new();
    for key in ["Headers", "QueryStrings", "Context"] {
        for item in identity.get(key).map_or(Ok(Vec::new()), |node| node.items())? {
            let name = item.text()?;
            sources.push(match key {
                "Headers" => IdentitySource::Header(name),
                "QueryStrings" => IdentitySource::QueryString(name),
                _ => IdentitySource::Context(name),
            });
        }
    }
    Ok(sources)
}
