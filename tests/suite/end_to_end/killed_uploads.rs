//! Completions of uploads whose function is killed at each step: the next one takes over, and there is one whole file.

use aws_lc_rs::digest::{SHA256, digest};
use gateway::secret::hex;
use gateway::store::TakenUp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tests::local::{Answer, Stack, User, end_lease, eventually, store};
use tests::unreliable::{Moment, Unreliable};

/// What a completion asks of table and storage, at the least: the session, its parts, the claim, the parts put together, what is stored, its
/// bytes, and the transaction that lists it.
const STEPS: usize = 7;

pub(super) struct Upload {
    session: Value,
    bytes: Vec<u8>,
}

impl Upload {
    /// One whose parts are all there.
    pub(super) async fn of(user: &User, bytes: Vec<u8>) -> Self {
        let sha256 = hex(digest(&SHA256, &bytes).as_ref());
        let wish = json!({"filename": "a", "size_bytes": bytes.len(), "sha256": sha256});
        let answer = user.caller.post("/api/v1/files/sessions", &wish).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let upload = Self {
            session: answer.json(),
            bytes,
        };
        let wish = json!({"parts": [{"number": 1, "sha256": sha256}]});
        let to = user
            .caller
            .post(&format!("{}/parts", upload.path()), &wish)
            .await
            .json();
        let to = &to["parts"][0];
        let mut put = reqwest::Client::new().put(to["url"].as_str().unwrap());
        for (name, value) in to["headers"].as_object().unwrap() {
            if name != "content-length" {
                put = put.header(name, value.as_str().unwrap());
            }
        }
        assert_eq!(put.body(upload.bytes.clone()).send().await.unwrap().status(), 200);
        upload
    }

    pub(super) fn id(&self, name: &str) -> &str {
        self.session[name].as_str().unwrap()
    }

    pub(super) fn path(&self) -> String {
        format!("/api/v1/files/sessions/{}", self.id("session_id"))
    }

    fn file(&self) -> String {
        format!("/api/v1/files/{}", self.id("file_id"))
    }

    pub(super) async fn complete(&self, user: &User) -> Answer {
        user.caller
            .send("POST", &format!("{}/complete", self.path()), &[], "")
            .await
    }
}

fn upload_process(stack: &Stack) -> Option<u32> {
    match stack.ready_now().functions["upload"].as_slice() {
        [id] => Some(*id),
        _ => None,
    }
}

/// Kills the function, and returns when another one has taken its place.
async fn kill(stack: &Stack) {
    let killed = eventually("one process serves", async || upload_process(stack)).await;
    let pid = Pid::from_raw(i32::try_from(killed).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    eventually("another process has taken its place", async || {
        upload_process(stack).filter(|id| *id != killed)
    })
    .await;
}

async fn taken_up(stack: &Stack, user: &User) -> TakenUp {
    let owner = user.name.parse().unwrap();
    store(stack).taken_up(&owner).await.unwrap()
}

/// What is listed is whole, whenever one looks.
async fn listed(user: &User, upload: &Upload) -> usize {
    let files = user.caller.get("/api/v1/files").await.json();
    let files = files["files"].as_array().unwrap().clone();
    for file in &files {
        assert_eq!(file["file_id"], json!(upload.id("file_id")));
        let content = user.caller.get(&format!("{}/content", upload.file())).await;
        assert!(content.status == 200 && content.body == upload.bytes, "{content:?}");
    }
    files.len()
}

/// B-11, B-17: SIGKILL before and after each request that a completion makes.
#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_is_killed_at_any_step_is_taken_over_and_ends_in_one_whole_file() {
    let _alone = tests::alone().await;
    let aws = Unreliable::aws().await;
    let stack = Stack::start(&["--aws-endpoint", &aws.url, "--environments", "1"]).await;
    let user = stack.new_user().await;
    for moment in [Moment::Before, Moment::After] {
        let mut steps = 0;
        while killed_at(&aws, &stack, &user, steps, moment).await {
            steps += 1;
        }
        println!("{moment:?}: killed at {steps} steps");
        assert!(steps >= STEPS, "{steps} steps");
    }
}

/// Kills at one step. `false`: there is no such step any more.
async fn killed_at(aws: &Unreliable, stack: &Stack, user: &User, step: usize, moment: Moment) -> bool {
    let bytes = format!("{moment:?} {step}").into_bytes();
    let upload = Upload::of(user, bytes).await;
    let size = upload.bytes.len() as u64;
    let mut standstill = aws.stands_still(&[upload.id("session_id"), upload.id("file_id")], step, moment);
    let was_killed = {
        let complete = upload.complete(user);
        tokio::pin!(complete);
        tokio::select! {
            answer = &mut complete => {
                assert_eq!(answer.status, 201, "{answer:?}");
                false
            }
            () = standstill.reached() => {
                kill(stack).await;
                let answer = complete.await;
                assert!(answer.status >= 500, "{answer:?}");
                true
            }
        }
    };
    let before = listed(user, &upload).await;
    if was_killed {
        let answer = upload.complete(user).await;
        // Whoever was killed with the session taken holds it until its lease is over.
        if end_lease(stack, &user.name, upload.id("session_id")).await {
            assert_eq!((answer.status, before), (409, 0), "{step} {moment:?}: {answer:?}");
            let answer = upload.complete(user).await;
            assert_eq!(answer.status, 201, "{step} {moment:?}: {answer:?}");
        } else {
            let expected = if before == 1 { 200 } else { 201 };
            assert_eq!(answer.status, expected, "{step} {moment:?}: {answer:?}");
        }
    }
    assert_eq!(listed(user, &upload).await, 1);
    let whole = TakenUp {
        stored_bytes: size,
        upload_sessions: 0,
    };
    assert_eq!(taken_up(stack, user).await, whole, "{step} {moment:?}");
    assert_eq!(user.caller.delete(&upload.file()).await.status, 204);
    assert_eq!(taken_up(stack, user).await, TakenUp::default());
    was_killed
}
