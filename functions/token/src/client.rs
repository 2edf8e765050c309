//! Who asks: a service account that shows its secret, or on whose connection its certificate is.

use gateway::certificate::Certificate;
use gateway::error::Error;
use gateway::oauth::{ClientCredentials, invalid_client};
use gateway::secret::{Secret, SecretKind};
use gateway::secret_hash::SecretHash;
use gateway::store::{ServiceClient, StoredHash};
use jiff::Timestamp;

use crate::State;

/// An unknown client, a wrong secret, one that has ended, and a client that may not be used are one refusal. The table is asked
/// and where a secret is shown one hash is computed in any case, so that the time tells nothing either.
pub(crate) async fn authenticated(
    state: &State,
    credentials: &ClientCredentials,
    certificate: Option<&Certificate>,
) -> Result<ServiceClient, Error> {
    let wanted = match is_client_id(&credentials.id) {
        true => credentials.id.as_str(),
        false => "client_unknown",
    };
    let (client, now) = (state.store.client(wanted).await?, state.clock.now());
    let shown = match &credentials.secret {
        Some(text) => by_secret(state, client, text, now).await?,
        None => client.filter(|client| holds_certificate(client, certificate, now)),
    };
    shown.filter(|client| client.is_alive(now)).ok_or_else(invalid_client)
}

/// `tls_client_auth` (RFC 8705, section 2.1): the handshake has shown that the client has the key, and the chain that it leads to an
/// authority of the truststore; what is left is whose certificate it is.
fn holds_certificate(client: &ServiceClient, certificate: Option<&Certificate>, now: Timestamp) -> bool {
    match (&client.certificate, certificate) {
        (Some(expected), Some(certificate)) => expected.is_of(certificate) && certificate.is_valid_at(now),
        _ => false,
    }
}

async fn by_secret(
    state: &State,
    client: Option<ServiceClient>,
    text: &str,
    now: Timestamp,
) -> Result<Option<ServiceClient>, Error> {
    let secret = text.parse::<Secret>().ok();
    let secret = secret.filter(|it| it.kind() == SecretKind::ClientSecret);
    let client = client.filter(|client| client.certificate.is_none());
    match (client, secret) {
        (Some(client), Some(secret)) => shown(state, client, &secret, now).await,
        _ => SecretHash::of_nobody(text).await.map(|()| None),
    }
}

/// The client, if the secret is one of its own that counts. Of two live secrets the hint tells which one is meant: one
/// comparison, however many there are.
async fn shown(
    state: &State,
    client: ServiceClient,
    secret: &Secret,
    now: Timestamp,
) -> Result<Option<ServiceClient>, Error> {
    let hint = secret.hint();
    let meant = client.live_secrets(now).find(|it| it.hint == hint).cloned();
    let same = match meant.as_ref().map(|it| &it.hash) {
        Some(StoredHash::Hard(hash)) => hash.matches(secret.expose()).await?,
        Some(StoredHash::Sha256(digest)) if digest.matches(&secret.digest()) && client.is_alive(now) => {
            rehash(state, client.clone(), secret).await?;
            true
        }
        _ => SecretHash::of_nobody(secret.expose()).await.map(|()| false)?,
    };
    Ok(same.then_some(client))
}

/// A secret that was stored by its SHA-256 is stored by its memory-hard hash from now on. If another request has done that, or
/// an administrator changes the account at this moment, it is left to the next time.
async fn rehash(state: &State, mut client: ServiceClient, secret: &Secret) -> Result<(), Error> {
    let hash = StoredHash::Hard(SecretHash::of(secret).await?);
    let digest = StoredHash::Sha256(secret.digest());
    for stored in client.secrets.iter_mut().filter(|it| it.hash == digest) {
        stored.hash = hash.clone();
    }
    state.store.rehash_client(client).await.map(drop)
}

fn is_client_id(id: &str) -> bool {
    id.len() <= 64 && id.starts_with("client_") && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
