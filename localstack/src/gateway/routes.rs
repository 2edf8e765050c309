//! From a request's path to a resource and its method.

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::template::Route;

/// The resources of an API.
#[derive(Debug)]
pub(super) struct Routes {
    resources: Vec<Resource>,
}

#[derive(Debug)]
struct Resource {
    pattern: Vec<Segment>,
    methods: Vec<Route>,
}

/// A segment of a resource's path. The order is that of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// Exactly this text, compared undecoded.
    Static(String),
    /// `{name}`: one segment that is not empty.
    Parameter(String),
    /// `{name+}`: the rest of the path.
    Greedy(String),
}

/// A route that a request meets, and the values of its path parameters, decoded once.
#[derive(Debug)]
pub(super) struct Match<'r> {
    pub(super) route: &'r Route,
    pub(super) parameters: BTreeMap<String, String>,
}

impl Routes {
    pub(super) fn new(routes: &[Route]) -> Self {
        let mut resources: Vec<Resource> = Vec::new();
        for route in routes {
            let pattern = pattern(&route.path);
            match resources.iter_mut().find(|resource| resource.pattern == pattern) {
                Some(resource) => resource.methods.push(route.clone()),
                None => resources.push(Resource {
                    pattern,
                    methods: vec![route.clone()],
                }),
            }
        }
        resources.sort_by_key(|resource| ranks(&resource.pattern));
        Self { resources }
    }

    /// The route of a method and a raw path. The path alone chooses the resource: a method that the most specific resource
    /// lacks is not looked for elsewhere. A slash at the end makes no difference.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Match<'_>> {
        let path = path.strip_prefix('/')?;
        let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let mut candidates = self.resources.iter();
        let (resource, parameters) =
            candidates.find_map(|resource| Some((resource, capture(&resource.pattern, &segments)?)))?;
        let named = |name: &str| resource.methods.iter().find(|route| route.method == name);
        let route = named(method.as_str()).or_else(|| named("ANY"))?;
        Some(Match { route, parameters })
    }
}

fn pattern(path: &str) -> Vec<Segment> {
    path.trim_start_matches('/').split('/').map(segment).collect()
}

fn segment(text: &str) -> Segment {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.to_owned()),
            None => Segment::Parameter(name.to_owned()),
        },
        None => Segment::Static(text.to_owned()),
    }
}

/// Static segments win over parameters, and those over the rest of a path, from the left.
fn ranks(pattern: &[Segment]) -> Vec<u8> {
    let rank = |segment: &Segment| match segment {
        Segment::Static(_) => 0,
        Segment::Parameter(_) => 1,
        Segment::Greedy(_) => 2,
    };
    pattern.iter().map(rank).collect()
}

fn capture(pattern: &[Segment], segments: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    let mut rest = segments;
    for segment in pattern {
        if let Segment::Greedy(name) = segment {
            let value = rest.join("/");
            parameters.insert(name.clone(), decode(&value));
            return (!value.is_empty()).then_some(parameters);
        }
        let (first, others) = rest.split_first()?;
        match segment {
            Segment::Static(text) if text == first => {}
            Segment::Parameter(name) if !first.is_empty() => {
                parameters.insert(name.clone(), decode(first));
            }
            _ => return None,
        }
        rest = others;
    }
    rest.is_empty().then_some(parameters)
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn routes(declared: &[(&str, &str)]) -> Routes {
        let route = |(method, path): &(&str, &str)| Route {
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            function: format!("{method} {path}"),
            streamed: false,
            authorizer: None,
        };
        Routes::new(&declared.iter().map(route).collect::<Vec<_>>())
    }

    fn found(routes: &Routes, method: &Method, path: &str) -> Option<(String, BTreeMap<String, String>)> {
        routes
            .find(method, path)
            .map(|found| (found.route.function.clone(), found.parameters))
    }

    #[test]
    fn a_parameter_is_one_raw_segment_decoded_once() {
        let routes = routes(&[("POST", "/model/{id}/invoke")]);
        let id = |path: &str| found(&routes, &Method::POST, path).map(|(_, parameters)| parameters["id"].clone());
        assert_eq!(
            id("/model/arn%3Aaws%2Fprofile%2Fx/invoke").as_deref(),
            Some("arn:aws/profile/x")
        );
        assert_eq!(id("/model/v1:0/invoke").as_deref(), Some("v1:0"));
        assert_eq!(id("/model/%252e%252e/invoke").as_deref(), Some("%2e%2e"));
        assert_eq!(id("/model/a/b/invoke"), None);
        assert_eq!(id("/model//invoke"), None);
    }

    #[test]
    fn a_static_segment_wins_over_a_parameter_and_hides_its_methods() {
        let routes = routes(&[
            ("GET", "/files/{id}"),
            ("POST", "/files/upload"),
            ("GET", "/files/{id}/content"),
        ]);
        assert_eq!(
            found(&routes, &Method::POST, "/files/upload").unwrap().0,
            "POST /files/upload"
        );
        assert_eq!(found(&routes, &Method::GET, "/files/7").unwrap().0, "GET /files/{id}");
        assert!(found(&routes, &Method::GET, "/files/upload").is_none());
        assert_eq!(
            found(&routes, &Method::GET, "/files/upload/content").unwrap().0,
            "GET /files/{id}/content"
        );
    }

    #[test]
    fn a_method_that_is_not_declared_has_no_route() {
        let routes = routes(&[("GET", "/health"), ("ANY", "/any")]);
        assert!(found(&routes, &Method::HEAD, "/health").is_none());
        assert!(found(&routes, &Method::OPTIONS, "/health").is_none());
        assert!(found(&routes, &Method::DELETE, "/any").is_some());
    }

    #[test]
    fn a_slash_at_the_end_makes_no_difference_and_one_in_between_does() {
        let routes = routes(&[("GET", "/a/b")]);
        assert!(found(&routes, &Method::GET, "/a/b/").is_some());
        assert!(found(&routes, &Method::GET, "/a//b").is_none());
        assert!(found(&routes, &Method::GET, "//a/b").is_none());
        assert!(found(&routes, &Method::GET, "/%61/b").is_none());
    }

    #[test]
    fn a_greedy_parameter_takes_the_rest() {
        let routes = routes(&[("GET", "/files/{path+}"), ("GET", "/files/{id}")]);
        assert_eq!(
            found(&routes, &Method::GET, "/files/a/b%20c").unwrap().1["path"],
            "a/b c"
        );
        assert_eq!(found(&routes, &Method::GET, "/files/a").unwrap().0, "GET /files/{id}");
    }
}
