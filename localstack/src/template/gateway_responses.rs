//! `GatewayResponses` of the API: how answers look that the gateway makes itself.

use std::collections::BTreeMap;

use super::Error;
use super::node::Node;

/// An answer of the gateway itself, as the template shapes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayResponse {
    /// The status, where the template chooses one.
    pub status: Option<u16>,
    /// Header names and the expressions that give their values: `'text'` or a variable such as `context.requestId`.
    pub headers: Vec<(String, String)>,
    /// Bodies by media type, with `$context` variables in them.
    pub bodies: BTreeMap<String, String>,
}

pub(super) fn read(node: Option<Node>) -> Result<BTreeMap<String, GatewayResponse>, Error> {
    let entries = node.map_or(Ok(Vec::new()), |node| node.entries())?;
    entries
        .into_iter()
        .map(|(kind, node)| Ok((kind, response(&node)?)))
        .collect()
}

fn response(node: &Node) -> Result<GatewayResponse, Error> {
    let headers = node
        .get("ResponseParameters")
        .and_then(|parameters| parameters.get("Headers"));
    Ok(GatewayResponse {
        status: node.get("StatusCode").map(|status| self::status(&status)).transpose()?,
        headers: texts(headers)?,
        bodies: texts(node.get("ResponseTemplates"))?.into_iter().collect(),
    })
}

fn status(node: &Node) -> Result<u16, Error> {
    let status = u16::try_from(node.integer()?)
        .ok()
        .filter(|status| (100..600).contains(status));
    status.ok_or_else(|| node.error("is no HTTP status"))
}

fn texts(node: Option<Node>) -> Result<Vec<(String, String)>, Error> {
    let entries = node.map_or(Ok(Vec::new()), |node| node.entries())?;
    entries
        .into_iter()
        .map(|(key, value)| Ok((key, value.text()?)))
        .collect()
}
