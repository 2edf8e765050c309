//! A real Redis on loopback, with users, and TLS if a test wants it. It ends with the test.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gateway::aws::Aws;
use gateway::cache::{Access, RedisOptions};
use peer::{Authority, Leaf};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::backing::Backing;
use crate::in_process::Functions;
use crate::local::{Guard, PATIENCE, root};
use crate::port::free_port;

/// What the gateway may do: what docs/cache.md says that it needs.
pub const RIGHTS: &str = "~tollgate:* +get +mget +set +del +eval +ping +hello +auth +select";
/// The gateway's password.
pub const PASSWORD: &str = "canary-redis-password-0123456789";
/// What entries are sealed with.
pub const SEAL: &str = "canary-redis-seal-0123456789abcdef";

/// A running server.
pub struct Redis {
    port: u16,
    authority: Option<Authority>,
    folder: TempDir,
    runs: u32,
    guard: Option<Guard>,
}

impl Redis {
    /// One without TLS.
    pub async fn start() -> Self {
        Self::new(None).await
    }

    /// One that speaks nothing but TLS, with a certificate of `authority`.
    pub async fn tls(authority: Authority) -> Self {
        Self::new(Some(authority)).await
    }

    async fn new(authority: Option<Authority>) -> Self {
        let mut redis = Self {
            port: free_port(),
            authority,
            folder: tempfile::Builder::new().prefix("tollgate-redis-").tempdir().unwrap(),
            runs: 0,
            guard: None,
        };
        redis.start_again().await;
        redis
    }

    /// Starts it at the same port, with nothing in it.
    pub async fn start_again(&mut self) {
        self.runs += 1;
        let folder = self.folder.path().join(self.runs.to_string());
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("redis.conf");
        std::fs::write(&file, self.configuration(&folder)).unwrap();
        let log = self.folder.path().join(format!("{}.log", self.runs));
        let mut guard = Guard::start(&folder, &program(), &[file.to_str().unwrap()], &log);
        let (address, begun) = (SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), Instant::now());
        while TcpStream::connect(address).await.is_err() {
            guard.must_be_running();
            assert!(begun.elapsed() < PATIENCE, "redis-server does not listen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.guard = Some(guard);
    }

    /// Stops it.
    pub fn stop(&mut self) {
        self.guard = None;
    }

    fn configuration(&self, folder: &Path) -> String {
        let port = self.port;
        let listening = match &self.authority {
            None => format!("port {port}\n"),
            Some(authority) => {
                let (certificate, key) = authority.issue(&Leaf::new("localhost")).write(folder, "redis");
                let ca = authority.write(folder, "ca.pem");
                format!(
                    "port 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no\n",
                    certificate.display(),
                    key.display(),
                    ca.display()
                )
            }
        };
        format!(
            "bind 127.0.0.1\n{listening}save \"\"\nappendonly no\ndaemonize no\ndir {}\nmaxmemory-policy noeviction\n\
             user default off\nuser tollgate on >{PASSWORD} {RIGHTS}\nuser tests on >tests ~* +@all\n",
            folder.display()
        )
    }

    /// The URL, as it is configured.
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// The secret, as it is stored.
    pub fn secret() -> String {
        format!(r#"{{"username":"tollgate","password":"{PASSWORD}","seal":"{SEAL}"}}"#)
    }

    /// The options that fit.
    pub fn options(&self) -> RedisOptions {
        options(&self.url(), self.authority.as_ref().map_or("", Authority::pem))
    }

    /// What it answers to a command of the tests' own user.
    pub async fn told<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open(format!("redis://tests:tests@127.0.0.1:{}", self.port)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut asked = redis::cmd(command[0]);
        for part in &command[1..] {
            asked.arg(*part);
        }
        asked.query_async(&mut connection).await.unwrap()
    }
}

/// Options for a Redis at this URL. It may take the time that a slow machine gives it.
pub fn options(url: &str, authorities: &str) -> RedisOptions {
    RedisOptions {
        url: url.parse().unwrap(),
        space: "tests".to_owned(),
        authorities: authorities.as_bytes().to_vec(),
        access: Access::plain(&Redis::secret()),
        timeout: Duration::from_secs(5),
        pause_seconds: 5,
    }
}

fn program() -> PathBuf {
    let linked = root().join(".tools/redis-server");
    assert!(
        linked.is_file(),
        "there is no redis-server in .tools: run `tools/setup redis-server` first"
    );
    linked
}

/// The functions over the Redis at `url`, with variables besides.
pub async fn functions_over(backing: &Backing, url: &str, more: &[(&'static str, &str)]) -> Functions {
    let secrets = Aws::from_environment(backing.variables("admin", &[]))
        .unwrap()
        .secretsmanager();
    // A backing's first functions make it, and its others find it.
    let _ = secrets
        .create_secret()
        .name("cache")
        .secret_string(Redis::secret())
        .send()
        .await;
    let mut variables = vec![
        ("TOLLGATE_CACHE_KIND", "redis"),
        ("TOLLGATE_CACHE_REDIS_URL", url),
        ("TOLLGATE_CACHE_REDIS_SECRET", "cache"),
        ("TOLLGATE_CACHE_REDIS_TIMEOUT_MILLISECONDS", "2000"),
    ];
    variables.extend(more);
    Functions::with(backing, &variables)
}
