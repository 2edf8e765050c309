//! Whom a provider's claims are about, and what its make is known for.

use gateway::error::{Error, Kind};
use gateway::login::{Make, Provider};
use gateway::store::Identity;
use serde_json::{Map, Value};

/// Who came, as their provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) identity: Identity,
    /// How the company's directory knows them, if by another claim.
    pub(crate) directory_identity: Option<Identity>,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) groups: Vec<String>,
}

/// Whether more is to be asked for than the id token tells. Okta's is thin where an access token comes with it, and GitLab's `groups`
/// are told by its userinfo alone. Microsoft's userinfo knows no groups.
pub(super) fn is_thin(claims: &Map<String, Value>, provider: &Provider) -> bool {
    let wants_groups = !provider.rules.groups.is_empty() && provider.kind != Make::Microsoft;
    let lacks_groups = wants_groups && !claims.contains_key(&provider.groups_claim);
    lacks_groups || !claims.contains_key("email")
}

/// The person of verified claims, and of `more` from userinfo where the claims do not tell.
///
/// # Errors
/// When the claims are of somebody whom this provider was not configured for.
pub(super) fn person(
    claims: &Map<String, Value>,
    more: Option<&Map<String, Value>>,
    provider: &Provider,
) -> Result<Person, Error> {
    check_tenant(claims, provider)?;
    let verified = |name: &str| {
        let text = claims.get(name).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| Error::internal("an id token was verified that names nobody"))
    };
    let value = |name: &str| claims.get(name).or_else(|| more?.get(name));
    let groups = value(&provider.groups_claim).and_then(Value::as_array);
    // Whether an address is verified is told by whoever tells the address.
    let about_email = if claims.contains_key("email") {
        Some(claims)
    } else {
        more
    };
    Ok(Person {
        identity: Identity::of_subject(verified("iss")?, verified("sub")?),
        directory_identity: directory_identity(claims, provider),
        name: text(value("name")),
        email: about_email.and_then(|claims| text(claims.get("email"))),
        email_verified: about_email.is_some_and(|claims| is_verified(claims, provider.kind)),
        groups: groups
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    })
}

/// Who they are for the company's directory. It is taken from the id token alone, which is signed.
fn directory_identity(claims: &Map<String, Value>, provider: &Provider) -> Option<Identity> {
    let claim = provider.directory_claim.as_ref()?;
    let subject = claims
        .get(claim)?
        .as_str()
        .filter(|text| (1..=255).contains(&text.len()))?;
    Some(Identity {
        issuer: claims.get("iss")?.as_str()?.to_owned(),
        claim: claim.clone(),
        subject: subject.to_owned(),
    })
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    (text.len() <= 256).then(|| text.to_owned())
}

/// Microsoft's tokens name their directory in `tid` also, besides the issuer.
fn check_tenant(claims: &Map<String, Value>, provider: &Provider) -> Result<(), Error> {
    let tenant = provider.tenant.as_deref().map(Value::from);
    match (provider.kind, claims.get("tid")) {
        (Make::Microsoft, Some(found)) if Some(found) != tenant.as_ref() => {
            Err(Error::new(Kind::AccessDenied, "This account is of another directory."))
        }
        _ => Ok(()),
    }
}

fn is_verified(claims: &Map<String, Value>, make: Make) -> bool {
    let says_so = claims.get("email_verified") == Some(&Value::Bool(true));
    match make {
        // A directory of Microsoft's writes any address into a token, and nothing says whether it was verified.
        Make::Microsoft => false,
        // Google verified it once; it answers for it only where it keeps the mailbox: at gmail.com, and for members of an
        // organisation, who have the claim `hd` (developers.google.com/identity/openid-connect/openid-connect).
        Make::Google => says_so && (claims.get("hd").is_some_and(Value::is_string) || is_gmail(claims)),
        _ => says_so,
    }
}

fn is_gmail(claims: &Map<String, Value>) -> bool {
    let email = claims.get("email").and_then(Value::as_str);
    email.is_some_and(|email| email.to_ascii_lowercase().ends_with("@gmail.com"))
}
