//! The ways into the gateway: its own endpoint, which speaks plain HTTP here, and the domains of a deployment, which speak TLS.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::Result;
use crate::gateway::Gateway;
use crate::net;
use crate::ready::Ready;
use crate::stack::Options;
use crate::tls;

/// The parameter of the template that a local gateway's own URL takes the place of.
const ISSUER_PARAMETER: &str = "Issuer";
/// The parameter that names the domain with mutual TLS.
const MUTUAL_TLS_PARAMETER: &str = "MutualTlsDomainName";

/// A port that is open, and nobody serves yet.
pub(crate) struct Entrance {
    listener: TcpListener,
    pub(crate) url: String,
}

/// The gateway's ports, in the order of their numbers.
pub(crate) struct Entrances {
    pub(crate) gateway: Entrance,
    tls: Option<Entrance>,
    mutual_tls: Option<Entrance>,
}

impl Entrance {
    async fn open(port: u16, offset: u16) -> Result<Self> {
        let port = if port == 0 { 0 } else { port.saturating_add(offset) };
        let listener = net::listen(port).await?;
        let url = net::url(&listener)?;
        Ok(Self { listener, url })
    }

    async fn over_tls(port: u16, offset: u16) -> Result<Self> {
        let mut entrance = Self::open(port, offset).await?;
        entrance.url = entrance.url.replacen("http://", "https://", 1);
        Ok(entrance)
    }
}

impl Entrances {
    /// Opens the ports, so that their numbers are known before the template is read.
    pub(crate) async fn open(options: &Options) -> Result<Self> {
        let port = options.port;
        Ok(Self {
            gateway: Entrance::open(port, 0).await?,
            tls: match options.tls {
                true => Some(Entrance::over_tls(port, 1).await?),
                false => None,
            },
            mutual_tls: match options.mutual_tls {
                Some(_) => Some(Entrance::over_tls(port, 2).await?),
                None => None,
            },
        })
    }

    /// What the template is told of them. With mutual TLS its default endpoint is off, so the issuer is at a domain.
    pub(crate) fn parameters(&self) -> BTreeMap<String, String> {
        let issuer = match &self.mutual_tls {
            Some(mutual) => self.tls.as_ref().unwrap_or(mutual),
            None => &self.gateway,
        };
        let domain = self.mutual_tls.as_ref();
        let domain = domain.map(|entrance| entrance.url.trim_start_matches("https://").to_owned());
        BTreeMap::from_iter(
            [
                (ISSUER_PARAMETER, Some(issuer.url.clone())),
                (MUTUAL_TLS_PARAMETER, domain),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        )
    }

    /// Serves the gateway at each of them, and tells where.
    pub(crate) fn serve(
        self,
        options: &Options,
        data: &Path,
        gateway: &Arc<Gateway>,
        ready: &mut Ready,
    ) -> Result<Vec<JoinHandle<()>>> {
        let folder = data.join("tls");
        let mut tasks = vec![tokio::spawn(Arc::clone(gateway).serve(self.gateway.listener))];
        for (entrance, truststore) in [(self.tls, None), (self.mutual_tls, options.mutual_tls.as_deref())] {
            let Some(entrance) = entrance else { continue };
            let tls = tls::prepare(&folder, truststore)?;
            match truststore {
                None => ready.gateway_tls = Some(entrance.url),
                Some(_) => ready.gateway_mutual_tls = Some(entrance.url),
            }
            ready.ca = Some(tls.ca);
            tasks.push(tokio::spawn(
                Arc::clone(gateway).serve_tls(entrance.listener, tls.acceptor),
            ));
        }
        Ok(tasks)
    }
}
