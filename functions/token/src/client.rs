//! Who asks: a service account that shows its secret.

use gateway::error::Error;
use gateway::oauth::{ClientCredentials, invalid_client};
use gateway::secret::{Secret, SecretKind};
use gateway::secret_hash::SecretHash;
use gateway::store::{ServiceClient, StoredHash};
use jiff::Timestamp;

use crate::State;

/// An unknown client, a wrong secret, one that has ended, and a client that may not be used are one refusal. The table is asked
/// and one hash is computed in any case, so that the time tells nothing either.
pub(crate) async fn authenticated(state: &State, credentials: &ClientCredentials) -> Result<ServiceClient, Error> {
    let wanted = match is_client_id(&credentials.id) {
        true => credentials.id.as_str(),
        false => "client_unknown",
    };
    let (client, now) = (state.store.client(wanted).await?, state.clock.now());
    let secret = credentials.secret.parse::<Secret>().ok();
    let secret = secret.filter(|it| it.kind() == SecretKind::ClientSecret);
    let (Some(client), Some(secret)) = (client, secret) else {
        SecretHash::of_nobody(&credentials.secret).await?;
        return Err(invalid_client());
    };
    match shown(state, client, &secret, now).await? {
        Some(client) if client.is_alive(now) => Ok(client),
        _ => Err(invalid_client()),
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
