//! One upload: in one piece, or by a session with parts.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use gateway::secret::hex;
use serde_json::{Value, json};

use super::cast::{Cast, Client};
use super::on_loopback;
use crate::local::Answer;

const MIB: usize = 1024 * 1024;
/// Of those in one piece; the last is near the most that Lambda takes.
const FORM_SIZES: [usize; 6] = [1, 34, 1_000, 65_537, 1_000_000, 4_000_000];
/// Of those by a session: one part of S3's, and two.
const SESSION_SIZES: [usize; 2] = [5 * MIB, 16 * MIB + 1_000];
/// What comes back in one piece.
const READ_AT_ONCE: usize = 6 * MIB;

/// The way that a file comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// A form.
    Form,
    /// A session with parts.
    Session,
}

impl Way {
    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Session => "session",
        }
    }
}

/// What a client saw of one upload.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Which upload it is.
    pub number: usize,
    /// How it came.
    pub way: Way,
    /// Its bytes.
    pub size: usize,
    /// Of its bytes, as the client has them.
    pub sha256: String,
    /// The file's id; empty if it was not stored.
    pub file_id: String,
    /// What went wrong, if anything.
    pub trouble: Option<String>,
}

impl Stored {
    /// An upload whose client broke off.
    pub(super) fn broken(number: usize, trouble: &str) -> Self {
        let (way, size) = plan(number);
        Self {
            number,
            way,
            size,
            sha256: String::new(),
            file_id: String::new(),
            trouble: Some(trouble.to_owned()),
        }
    }
}

/// Each fifth comes by a session, each tenth in two parts.
fn plan(number: usize) -> (Way, usize) {
    match number % 5 {
        4 => (Way::Session, SESSION_SIZES[number / 5 % SESSION_SIZES.len()]),
        _ => (Way::Form, FORM_SIZES[number % FORM_SIZES.len()]),
    }
}

/// Noise, another for each upload.
fn content(number: usize, size: usize) -> Bytes {
    let mut state = u64::try_from(number).unwrap();
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()
    };
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&next());
    }
    bytes.truncate(size);
    bytes.into()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Makes the upload of this number, and reads back what comes in one piece.
pub(super) async fn make(number: usize, cast: Arc<Cast>) -> Stored {
    let client = &cast.payer(number).client;
    let (way, size) = plan(number);
    let bytes = content(number, size);
    let sha256 = sha256(&bytes);
    let done = match way {
        Way::Form => form(client, number, &bytes).await,
        Way::Session => session(client, number, &bytes, &sha256).await,
    };
    let checked = match done {
        Ok(file) => comes_back(client, file, &bytes).await,
        Err(trouble) => Err(trouble),
    };
    let (file_id, trouble) = checked.map_or_else(|trouble| (String::new(), Some(trouble)), |id| (id, None));
    Stored {
        number,
        way,
        size,
        sha256,
        file_id,
        trouble,
    }
}

/// The file's id.
async fn comes_back(client: &Client, file: Value, bytes: &Bytes) -> Result<String, String> {
    let id = file["file_id"].as_str().ok_or("a file without an id")?;
    if bytes.len() <= READ_AT_ONCE {
        let back = client.get(&format!("/api/v1/files/{id}/content")).await;
        if back.status != 200 || back.body != *bytes {
            return Err(format!("{} and {} bytes came back", back.status, back.body.len()));
        }
    }
    Ok(id.to_owned())
}

fn expect(answer: &Answer, status: u16) -> Result<Value, String> {
    if answer.status == status {
        Ok(answer.json())
    } else {
        Err(format!("{answer:?}"))
    }
}

async fn form(client: &Client, number: usize, bytes: &Bytes) -> Result<Value, String> {
    let headers = [("content-type", FORM)];
    let body = form_of(&format!("{number}.bin"), bytes);
    let answer = client.send("POST", "/api/v1/files/upload", &headers, body).await;
    expect(&answer, 201)
}

const FORM: &str = "multipart/form-data; boundary=b";

/// The bytes hold no boundary, but by a chance of one in 2⁵⁶ or so.
fn form_of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!("--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    [head.as_bytes(), bytes, b"\r\n--b--\r\n"].concat()
}

async fn session(client: &Client, number: usize, bytes: &Bytes, sha256: &str) -> Result<Value, String> {
    let wish = json!({ "filename": format!("{number}.bin"), "size_bytes": bytes.len(), "sha256": sha256 });
    let opened = expect(&client.post("/api/v1/files/sessions", &wish).await, 201)?;
    let id = opened["session_id"].as_str().ok_or("a session without an id")?;
    let path = format!("/api/v1/files/sessions/{id}");
    let part = opened["part_size_bytes"]
        .as_u64()
        .and_then(|size| usize::try_from(size).ok());
    let part = part.ok_or("a session without a size of parts")?;
    let parts: Vec<_> = (0..bytes.len())
        .step_by(part)
        .map(|at| bytes.slice(at..bytes.len().min(at + part)))
        .collect();
    let asked: Vec<_> = parts
        .iter()
        .enumerate()
        .map(|(index, bytes)| json!({ "number": index + 1, "sha256": self::sha256(bytes) }))
        .collect();
    let places = client.post(&format!("{path}/parts"), &json!({ "parts": asked })).await;
    let places = expect(&places, 200)?;
    for (to, bytes) in places["parts"].as_array().ok_or("no parts")?.iter().zip(parts) {
        put(to, bytes).await?;
    }
    let done = client.send("POST", &format!("{path}/complete"), &[], "").await;
    expect(&done, 201)
}

/// Sends a part straight to S3, as long as that is on this machine.
async fn put(to: &Value, bytes: Bytes) -> Result<(), String> {
    let url = to["url"].as_str().ok_or("a part without a URL")?;
    on_loopback(url).map_err(|elsewhere| format!("a part is to go to {elsewhere:?}"))?;
    let headers = to["headers"].as_object().ok_or("a part without headers")?;
    let put = headers
        .iter()
        .filter(|(name, _)| *name != "content-length")
        .fold(reqwest::Client::new().put(url).body(bytes), |put, (name, value)| {
            put.header(name, value.as_str().unwrap_or_default())
        });
    let answer = put.send().await.map_err(|error| error.to_string())?;
    answer.error_for_status().map(drop).map_err(|error| error.to_string())
}
