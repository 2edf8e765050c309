//! 60 seconds at 50 calls a second through two rotations of the signing key and one of a client's secret.
//!
//! The functions go by a clock that runs 360 times as fast as the machine's, so that the minute is six hours to them. All
//! times of a rotation are the deployment's own: a key is published two hours before it signs and kept for an hour and a minute after
//! its successor took over, functions read the keys again after five minutes, a token lives half an hour. Only the period is shorter,
//! 2 hours and 5 minutes, where the configuration wants a day. The calls, and the sweep's look at the keys, are as they are on AWS.
//!
//! Every answer is judged by when its request was sent and when it was answered: what was good until then must be let in, what was
//! dead before must be refused, and what died on the way is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gateway::jwt::{Claims, KeyAlgorithm, KeyRing, KeyState, Rotation};
use gateway::signing::rotate;
use jiff::{SignedDuration, Timestamp};
use localstack::pace::Pace;
use serde_json::{Value, json};
use tests::local::{Route, Stack, marker, signing_secret};
use tests::paced::Paced;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::credentials;

const CALLS: usize = 3000;
const EVERY: Duration = Duration::from_millis(20);
const RATE: i64 = 360;
/// The sweep looks at the keys every five minutes.
const LOOK: Duration = Duration::from_millis(300 * 1000 / RATE.unsigned_abs());
const PERIOD: SignedDuration = SignedDuration::from_mins(125);
/// The numbers of the calls by which the client's second secret is made, and its first one ended.
const SECOND_SECRET: usize = 1000;
const FIRST_ENDS: usize = 2000;

/// What a call shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    /// A token that was minted by the token endpoint and is good.
    Token,
    /// One whose time is over.
    Expired,
    /// One that would live for years, of one of the keys.
    Forever,
    /// The client's newest secret, for a token.
    Secret,
    /// The client's first secret, for a token.
    FirstSecret,
}

/// A token, by which key it is signed, and when it ends.
#[derive(Clone, Debug)]
struct Token {
    text: String,
    kid: String,
    ends_at: Timestamp,
}

/// What became of a call.
#[derive(Debug)]
struct Seen {
    shown: Shown,
    token: Option<Token>,
    sent: Timestamp,
    answered: Timestamp,
    took: Duration,
    status: u16,
}

/// What all calls share.
struct Run {
    stack: Stack,
    pace: Pace,
    client_id: String,
    first_secret: String,
    secret: Mutex<String>,
    /// When the first secret's end was asked for, and when it was answered.
    first_ended: Mutex<Option<(Timestamp, Timestamp)>>,
    minted: Mutex<Vec<Token>>,
    forever: Mutex<Vec<Token>>,
    /// When each key ends, as far as that is known.
    ends: Mutex<BTreeMap<String, Option<Timestamp>>>,
    seen: Mutex<Vec<Seen>>,
    claims: Claims,
}

impl Run {
    async fn begin(paced: &Paced) -> Self {
        let stack = paced.stack(&["--environments", "4"]).await;
        let claims = credentials::claims(&stack).await;
        let (client_id, first_secret) = stack.new_client(&["models:invoke", "usage:read"]).await;
        paced.run(RATE);
        let run = Self {
            stack,
            pace: paced.pace(),
            client_id,
            secret: Mutex::new(first_secret.clone()),
            first_secret,
            first_ended: Mutex::default(),
            minted: Mutex::default(),
            forever: Mutex::default(),
            ends: Mutex::default(),
            seen: Mutex::default(),
            claims,
        };
        run.look_at_keys().await;
        let secret = run.first_secret.clone();
        run.mint(Shown::Secret, &secret).await;
        run
    }

    /// What the sweep does in each of its runs; and a token of the key that signs, which would live for years.
    async fn look_at_keys(&self) {
        let (secrets, id) = signing_secret(&self.stack);
        let rotation = Rotation {
            algorithm: KeyAlgorithm::Es256,
            period: PERIOD,
            lead: Rotation::LEAD,
        };
        let now = self.pace.now();
        rotate(&secrets, id, &rotation, now).await.unwrap();
        let ring = KeyRing::from_stored(&secrets.read(id).await.unwrap(), rotation.algorithm).unwrap();
        for (key, state) in ring.keys(now) {
            let kid = key.key.verifying().kid().to_owned();
            self.ends.lock().unwrap().insert(kid.clone(), key.ends_at);
            let known = self.forever.lock().unwrap().iter().any(|token| token.kid == kid);
            if state == KeyState::Signing && !known {
                let ends_at: Timestamp = "2090-01-01T00:00:00Z".parse().unwrap();
                let claims = Claims {
                    exp: ends_at.as_second(),
                    jti: marker(),
                    ..self.claims.clone()
                };
                let text = key.key.sign(&claims).unwrap();
                self.forever.lock().unwrap().push(Token { text, kid, ends_at });
            }
        }
    }

    /// The call of this number.
    async fn call(&self, number: usize) {
        match number {
            SECOND_SECRET => return self.make_second_secret().await,
            FIRST_ENDS => return self.end_first_secret().await,
            _ => {}
        }
        match number % 20 {
            0 => {
                let secret = self.secret.lock().unwrap().clone();
                self.mint(Shown::Secret, &secret).await;
            }
            5 => self.mint(Shown::FirstSecret, &self.first_secret).await,
            1 | 11 => {
                let forever = self.forever.lock().unwrap().clone();
                self.show(Shown::Forever, &forever[number / 10 % forever.len()], number)
                    .await;
            }
            2 => match self.picked(number, false) {
                Some(token) => self.show(Shown::Expired, &token, number).await,
                // None has ended yet.
                None => self.show_good(number).await,
            },
            _ => self.show_good(number).await,
        }
    }

    async fn show_good(&self, number: usize) {
        let token = self.picked(number, true);
        let newest = || self.minted.lock().unwrap().last().cloned().unwrap();
        self.show(Shown::Token, &token.unwrap_or_else(newest), number).await;
    }

    /// One of the tokens that are still good, or of those that have ended: young ones and old ones in turn.
    fn picked(&self, number: usize, good: bool) -> Option<Token> {
        let (minted, now) = (self.minted.lock().unwrap(), self.pace.now());
        let fitting: Vec<&Token> = minted.iter().filter(|token| (token.ends_at > now) == good).collect();
        fitting.get(number * 7919 % fitting.len().max(1)).copied().cloned()
    }

    /// A model call by every fourth one, and a look at who one is by the others.
    async fn show(&self, shown: Shown, token: &Token, number: usize) {
        let caller = self.stack.bearer(&token.text);
        let (sent, started) = (self.pace.now(), Instant::now());
        let answer = match number % 4 {
            0 => Route::Messages.call(&caller, "x").await,
            _ => caller.get("/auth/me").await,
        };
        self.note(shown, Some(token.clone()), sent, started, answer.status);
    }

    async fn mint(&self, shown: Shown, secret: &str) {
        let wish = json!({ "client_id": self.client_id, "client_secret": secret });
        let (sent, started) = (self.pace.now(), Instant::now());
        let answer = self.stack.anonymous().post("/api/v1/auth/token", &wish).await;
        self.note(shown, None, sent, started, answer.status);
        if answer.status == 200 {
            let text = answer.json()["access_token"].as_str().unwrap().to_owned();
            let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(&text).unwrap();
            let token = Token {
                kid: jsonwebtoken::decode_header(&text).unwrap().kid.unwrap(),
                ends_at: Timestamp::from_second(claims.exp).unwrap(),
                text,
            };
            self.minted.lock().unwrap().push(token);
        }
    }

    fn note(&self, shown: Shown, token: Option<Token>, sent: Timestamp, started: Instant, status: u16) {
        let seen = Seen {
            shown,
            token,
            sent,
            answered: self.pace.now(),
            took: started.elapsed(),
            status,
        };
        self.seen.lock().unwrap().push(seen);
    }

    async fn make_second_secret(&self) {
        let path = format!("/api/admin/clients/{}/secrets", self.client_id);
        let made = self.stack.admin().post(&path, &json!({})).await;
        assert_eq!(made.status, 201, "{made:?}");
        *self.secret.lock().unwrap() = made.json()["client_secret"].as_str().unwrap().to_owned();
    }

    async fn end_first_secret(&self) {
        let listed: Value = self.stack.admin().get("/api/admin/clients?limit=100").await.json();
        let all = listed["clients"].as_array().unwrap();
        let own = all
            .iter()
            .find(|client| client["client_id"] == *self.client_id)
            .unwrap();
        let first = own["secrets"][0]["secret_id"].as_str().unwrap();
        let path = format!("/api/admin/clients/{}/secrets/{first}", self.client_id);
        let asked = self.pace.now();
        let ended = self.stack.admin().delete(&path).await;
        assert_eq!(ended.status, 204, "{ended:?}");
        *self.first_ended.lock().unwrap() = Some((asked, self.pace.now()));
    }

    /// Until when what a call showed was surely good, and from when on surely not; nothing: for ever, and never. A token that was
    /// minted is good to its own end, whatever became of its key by then; one that would live for years is as good as its key.
    fn good_until(&self, seen: &Seen) -> (Option<Timestamp>, Option<Timestamp>) {
        match (&seen.token, seen.shown) {
            (Some(token), Shown::Forever) => {
                let until = self.ends.lock().unwrap().get(&token.kid).copied().flatten();
                (until, until)
            }
            (Some(token), _) => (Some(token.ends_at), Some(token.ends_at)),
            (None, Shown::FirstSecret) => {
                let ended = *self.first_ended.lock().unwrap();
                ended.map_or((None, None), |(asked, answered)| (Some(asked), Some(answered)))
            }
            (None, _) => (None, None),
        }
    }

    /// Whether the answer had to be yes, or no; nothing where it could be either.
    fn expected(&self, seen: &Seen) -> Option<bool> {
        let (surely_good_until, surely_bad_from) = self.good_until(seen);
        if surely_good_until.is_none_or(|until| seen.answered < until) {
            Some(true)
        } else {
            surely_bad_from.filter(|from| seen.sent >= *from).map(|_| false)
        }
    }
}

/// Calls by what they showed, how that had to be answered, and the status.
type Tally = BTreeMap<(Shown, Option<bool>, u16), usize>;

fn tally(run: &Run) -> Tally {
    let mut tally = Tally::new();
    for seen in run.seen.lock().unwrap().iter() {
        *tally.entry((seen.shown, run.expected(seen), seen.status)).or_default() += 1;
    }
    tally
}

fn count(tally: &Tally, which: impl Fn(Shown, Option<bool>, u16) -> bool) -> usize {
    let fitting = tally
        .iter()
        .filter(|((shown, expected, status), _)| which(*shown, *expected, *status));
    fitting.map(|(_, count)| count).sum()
}

/// Past the test's captured output: what the run was is worth reading also where it passes.
fn say(run: &Run, tally: &Tally, seconds: f64) {
    let seen = run.seen.lock().unwrap();
    let mut took: Vec<_> = seen.iter().map(|it| it.took.as_millis()).collect();
    took.sort_unstable();
    let line = format!(
        "rotation: {} calls in {seconds:.1} s ({:.1} a second), {} good ones let in and {} refused, {} dead ones refused and {} let in, \
         {} died on the way; {} keys signed; p50 {} ms, p99 {} ms, slowest {} ms\n",
        seen.len(),
        seen.len() as f64 / seconds,
        count(tally, |_, expected, status| expected == Some(true) && status == 200),
        count(tally, |_, expected, status| expected == Some(true) && status != 200),
        count(tally, |_, expected, status| expected == Some(false) && status == 401),
        count(tally, |_, expected, status| expected == Some(false) && status != 401),
        count(tally, |_, expected, _| expected.is_none()),
        kids(run, &seen).len(),
        took[took.len() / 2],
        took[took.len() * 99 / 100],
        took[took.len() - 1],
    );
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Keys whose good tokens were let in.
fn kids(run: &Run, seen: &[Seen]) -> BTreeSet<String> {
    let good = seen.iter().filter(|it| it.shown == Shown::Token && it.status == 200);
    good.filter(|it| run.expected(it) == Some(true))
        .filter_map(|it| it.token.as_ref())
        .map(|token| token.kid.clone())
        .collect()
}

/// B-24, B-25; issue 4, what it must show, 5.
#[tokio::test(flavor = "multi_thread")]
async fn for_a_minute_at_50_calls_a_second_no_rotation_refuses_a_good_token_or_lets_in_a_dead_one() {
    let _alone = tests::alone().await;
    let paced = Paced::new();
    let run = Arc::new(Run::begin(&paced).await);
    let looking = {
        let run = run.clone();
        tokio::spawn(async move {
            let mut looks = interval(LOOK);
            loop {
                looks.tick().await;
                run.look_at_keys().await;
            }
        })
    };
    let (mut calls, mut ticks) = (JoinSet::new(), interval(EVERY));
    // Calls are offered when they are due, however long others take.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let started = Instant::now();
    for number in 0..CALLS {
        ticks.tick().await;
        let run = run.clone();
        calls.spawn(async move { run.call(number).await });
    }
    let seconds = started.elapsed().as_secs_f64();
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    assert!(!looking.is_finished(), "the look at the keys failed");
    looking.abort();
    run.look_at_keys().await;
    let tally = tally(&run);
    say(&run, &tally, seconds);
    let wrong = |_, expected, status| match expected {
        Some(true) => status != 200,
        Some(false) => status != 401,
        None => status != 200 && status != 401,
    };
    assert_eq!(count(&tally, wrong), 0, "{tally:?}");
    // It was what it was meant to be: every kind came, three keys signed, and two of them ended while their tokens were shown.
    assert_eq!(run.seen.lock().unwrap().len(), CALLS - 2 + 1, "{tally:?}");
    let came = |shown, expected| count(&tally, |it, was, _| it == shown && was == Some(expected));
    for (shown, expected) in [
        (Shown::Token, true),
        (Shown::Expired, false),
        (Shown::Forever, true),
        (Shown::Forever, false),
        (Shown::Secret, true),
        (Shown::FirstSecret, true),
        (Shown::FirstSecret, false),
    ] {
        assert!(
            came(shown, expected) > 0,
            "no {shown:?} that had to be {expected}: {tally:?}"
        );
    }
    let seen = run.seen.lock().unwrap();
    assert_eq!(kids(&run, &seen).len(), 3, "keys that signed");
    let dead = seen
        .iter()
        .filter(|it| it.shown == Shown::Forever && run.expected(it) == Some(false));
    let ended: BTreeSet<_> = dead
        .filter_map(|it| it.token.as_ref())
        .map(|token| &token.kid)
        .collect();
    assert_eq!(ended.len(), 2, "keys that ended");
}
