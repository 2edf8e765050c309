//! The stores of sign-in out of order: a table that is down, one that refuses a write, and one that does it and loses the answer.
//!
//! What must hold: an answer is right, or 503 with `Retry-After`; nobody becomes somebody else or twice; of a code, a refresh token or a
//! device grant at most one living descendant is handed out; and whoever begins anew gets in.

use std::pin::Pin;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::event::request;
use tests::provider::parameter;
use tests::unreliable::{Fate, Outage};

use super::desk::{APP_URI, Desk, Sent, authorize, redemption};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How often the functions' client tries a request before it gives up.
const ATTEMPTS: usize = 6;

/// What one write meets, however often it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// It is never done.
    Refused,
    /// It is done, and the first answer is lost.
    LostOnce,
    /// It is done, and no answer ever comes.
    LostAlways,
}

impl Fault {
    const ALL: [Self; 4] = [Self::None, Self::Refused, Self::LostOnce, Self::LostAlways];

    fn fates(self) -> Vec<Fate> {
        match self {
            Self::None => Vec::new(),
            Self::Refused => vec![Fate::Throttled; ATTEMPTS],
            Self::LostOnce => vec![Fate::Lost],
            Self::LostAlways => vec![Fate::Lost; ATTEMPTS],
        }
    }

    /// Whether the step is answered as if nothing were wrong.
    fn is_overcome(self) -> bool {
        matches!(self, Self::None | Self::LostOnce)
    }
}

/// Which of a step's writes meets what.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// Its number, from 0.
    write: usize,
    /// How many writes the step has.
    of: usize,
    fault: Fault,
}

/// Every fault at every write of a step that has so many; each fault at a desk of its own.
async fn each(writes: usize, run: impl AsyncFn(&Desk, Case, &str)) {
    let at_desk = Fault::ALL.map(async |fault| {
        let desk = Desk::unreliable().await;
        for write in 0..if fault == Fault::None { 1 } else { writes } {
            let case = Case {
                write,
                of: writes,
                fault,
            };
            run(&desk, case, &format!("person-{write}")).await;
        }
    });
    join_all(at_desk).await;
}

impl Case {
    /// The step, with its fault. Where nothing fails, the number of its writes is checked.
    fn meets<'a>(
        self,
        desk: &'a Desk,
        step: impl Future<Output = HttpAnswer> + 'a,
    ) -> Pin<Box<dyn Future<Output = HttpAnswer> + 'a>> {
        Box::pin(async move {
            let proxy = desk.backing.unreliable().unwrap();
            proxy.reset_counts();
            let mut fates = vec![Fate::Done; self.write];
            fates.extend(self.fault.fates());
            proxy.script(&fates);
            let answer = step.await;
            proxy.script(&[]);
            if self.fault == Fault::None {
                let counts = proxy.counts();
                let writes = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"];
                let count: u64 = writes.iter().map(|operation| counts.of(operation)).sum();
                assert_eq!(count, self.of as u64, "{counts:?}");
            }
            answer
        })
    }
}

fn closed(answer: &HttpAnswer) -> bool {
    answer.status == 503 && !answer.header("retry-after").is_empty()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn refused_grant(answer: &HttpAnswer) -> bool {
    answer.status == 400 && answer.json()["error"] == "invalid_grant"
}

/// Whose an access token is.
async fn subject(desk: &Desk, tokens: &Value) -> String {
    let me = desk.as_person("GET", "/auth/me", text(tokens, "access_token")).await;
    me.json()["subject"].as_str().unwrap().to_owned()
}

/// Each person that signed in so far is there once, and comes as the same again.
async fn comes_as_one(desk: &Desk, who: &str) -> String {
    let first = subject(desk, &desk.tokens(who).await).await;
    assert_eq!(subject(desk, &desk.tokens(who).await).await, first);
    first
}

#[tokio::test]
async fn a_login_or_a_device_that_meets_a_fault_begins_or_is_told_to_wait() {
    let begin = authorize("idp", &[]);
    each(1, async |desk, case, _| {
        let answer = case.meets(desk, desk.get(&begin, "")).await;
        let begun = answer.status == 303 && !answer.header("set-cookie").is_empty();
        assert!(
            if case.fault.is_overcome() {
                begun
            } else {
                closed(&answer)
            },
            "{case:?}: {answer:?}"
        );
    })
    .await;
    // The user code, which leads to the grant, and the grant.
    each(2, async |desk, case, _| {
        let asked = desk.post("/oauth/device_authorization", "", &[("client_id", "cli")]);
        let answer = case.meets(desk, asked).await;
        assert!(
            if case.fault.is_overcome() {
                answer.status == 200
            } else {
                closed(&answer)
            },
            "{case:?}: {answer:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_login_that_meets_a_fault_gives_a_code_or_none_and_makes_nobody_twice() {
    // The login is taken, the person and their identity are put, the code is put.
    each(3, async |desk, case, who| {
        let sent = desk.begin("idp", &[]).await;
        let answer = case.meets(desk, desk.back(&sent, &desk.claims(who))).await;
        let code = match answer.status {
            303 => parameter(answer.header("location"), "code"),
            // The login was taken, and nobody was told: this browser begins again.
            400 => None,
            _ => {
                assert!(closed(&answer), "{case:?}: {answer:?}");
                None
            }
        };
        let told = answer.status == 303 && code.is_none();
        assert!(!told || parameter(answer.header("location"), "error").unwrap() == "temporarily_unavailable");
        assert_eq!(
            code.is_some(),
            case.fault.is_overcome() && (case.write, case.fault) != (0, Fault::LostOnce),
            "{case:?}: {answer:?}"
        );
        let own = match &code {
            Some(code) => Some(subject(desk, &desk.redeem(code).await.json()).await),
            None => None,
        };
        let again = comes_as_one(desk, who).await;
        assert!(own.is_none_or(|own| own == again), "{case:?}");
        let users = desk.store().users(100, None).await.unwrap().items.len();
        assert_eq!(users, case.write + 1, "{case:?}: one item for each person that came");
    })
    .await;
}

#[tokio::test]
async fn a_code_that_meets_a_fault_has_one_living_descendant_at_most() {
    // For the browser, the token's item and the session are put, the code is spent.
    each(4, async |desk, case, who| {
        let code = desk.code(who).await;
        let first = case.meets(desk, desk.redeem(&code)).await;
        if case.fault.is_overcome() {
            assert_eq!(first.status, 200, "{case:?}: {first:?}");
            assert_eq!(desk.refresh(text(&first.json(), "refresh_token")).await.status, 200);
            return;
        }
        assert!(closed(&first), "{case:?}: {first:?}");
        let again = desk.redeem(&code).await;
        if (case.write, case.fault) == (3, Fault::LostAlways) {
            // It was spent, and nobody got what came of it: this is a second use.
            assert!(refused_grant(&again), "{case:?}: {again:?}");
        } else {
            assert_eq!(again.status, 200, "{case:?}: {again:?}");
            assert_eq!(desk.refresh(text(&again.json(), "refresh_token")).await.status, 200);
        }
        comes_as_one(desk, who).await;
    })
    .await;
}

/// If the table's answer to the rotation is lost for good (or ours is, on the way to the client), the client has but the old
/// token, and to show it again is a reuse: the session ends, and the person signs in anew.
#[tokio::test]
async fn a_refresh_that_meets_a_fault_goes_on_or_ends_the_session_and_never_makes_two() {
    // The next token's item is put, the session is rotated.
    each(2, async |desk, case, who| {
        let before = desk.tokens(who).await;
        let old = text(&before, "refresh_token");
        let first = case.meets(desk, desk.refresh(old)).await;
        if case.fault.is_overcome() {
            assert_eq!(first.status, 200, "{case:?}: {first:?}");
            assert_eq!(desk.refresh(text(&first.json(), "refresh_token")).await.status, 200);
            assert!(refused_grant(&desk.refresh(old).await), "{case:?}");
            return;
        }
        assert!(closed(&first), "{case:?}: {first:?}");
        assert!(
            desk.authorized(text(&before, "access_token")).await.is_some(),
            "{case:?}: it is not over yet"
        );
        let again = desk.refresh(old).await;
        if (case.write, case.fault) == (1, Fault::LostAlways) {
            assert!(refused_grant(&again), "{case:?}: {again:?}");
            assert!(
                desk.authorized(text(&before, "access_token")).await.is_none(),
                "{case:?}"
            );
        } else {
            assert_eq!(again.status, 200, "{case:?}: {again:?}");
            assert_eq!(desk.refresh(text(&again.json(), "refresh_token")).await.status, 200);
        }
        comes_as_one(desk, who).await;
    })
    .await;
}

/// The ticket on a consent page.
fn ticket(page: &HttpAnswer) -> String {
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let ticket = html.split("value=\"tgl_").nth(1).unwrap_or_else(|| panic!("{html}"));
    format!("tgl_{}", &ticket[..38])
}

async fn consent(desk: &Desk, sent: &Sent, ticket: &str) -> HttpAnswer {
    let form = [("ticket", ticket), ("decision", "allow")];
    desk.post("/oauth/consent", &sent.cookie, &form).await
}

/// A consent page of `cli` for a person: the browser that it is shown in, and its ticket.
async fn asked(desk: &Desk, who: &str) -> (Sent, String) {
    let sent = desk.begin("idp", &[("client_id", "cli")]).await;
    let page = desk.back(&sent, &desk.claims(who)).await;
    let ticket = ticket(&page);
    (sent, ticket)
}

#[tokio::test]
async fn a_consent_that_meets_a_fault_gives_one_code_or_is_asked_for_again() {
    let redeem = async |desk: &Desk, answer: &HttpAnswer| {
        let code = parameter(answer.header("location"), "code").unwrap();
        let mut form = redemption(&code).to_vec();
        form.retain(|(name, _)| *name != "client_id");
        form.push(("client_id", "cli"));
        desk.token(&form).await.status
    };
    // The page is taken, the code is put.
    each(2, async |desk, case, who| {
        let (sent, ticket) = asked(desk, who).await;
        let first = case.meets(desk, consent(desk, &sent, &ticket)).await;
        let again = consent(desk, &sent, &ticket).await;
        let given: Vec<_> = [&first, &again]
            .into_iter()
            .filter(|answer| answer.status == 303)
            .collect();
        assert!(given.len() <= 1, "{case:?}: two codes of one page");
        for answer in [&first, &again] {
            assert!(
                [303, 400].contains(&answer.status) || closed(answer),
                "{case:?}: {answer:?}"
            );
        }
        for answer in given {
            assert_eq!(redeem(desk, answer).await, 200, "{case:?}");
        }
        assert_eq!(
            first.status == 303,
            case.fault.is_overcome() && (case.write, case.fault) != (0, Fault::LostOnce),
            "{case:?}: {first:?}"
        );
        let (sent, ticket) = asked(desk, who).await;
        assert_eq!(
            redeem(desk, &consent(desk, &sent, &ticket).await).await,
            200,
            "{case:?}"
        );
    })
    .await;
}

/// A device of which a person has said yes: its device code.
async fn approved(desk: &Desk, who: &str) -> String {
    let begun = desk
        .post("/oauth/device_authorization", "", &[("client_id", "cli")])
        .await
        .json();
    let form = [("user_code", text(&begun, "user_code")), ("provider", "idp")];
    let answer = desk.post("/oauth/device", "", &form).await;
    let sent = Sent {
        location: answer.header("location").to_owned(),
        cookie: answer.header("set-cookie").split(';').next().unwrap().to_owned(),
    };
    let page = desk.back(&sent, &desk.claims(who)).await;
    assert_eq!(consent(desk, &sent, &ticket(&page)).await.status, 200);
    text(&begun, "device_code").to_owned()
}

async fn poll(desk: &Desk, device_code: &str) -> HttpAnswer {
    let form = [
        ("grant_type", DEVICE_GRANT),
        ("client_id", "cli"),
        ("device_code", device_code),
    ];
    let answer = desk.token(&form).await;
    // Far more than it is ever told to wait.
    desk.functions.clock.advance_seconds(20);
    answer
}

#[tokio::test]
async fn a_device_that_meets_a_fault_gets_its_tokens_once() {
    // Its question is noted, the token's item and the session are put, the grant is taken.
    each(4, async |desk, case, who| {
        let device_code = approved(desk, who).await;
        let first = case.meets(desk, poll(desk, &device_code)).await;
        let second = poll(desk, &device_code).await;
        let third = poll(desk, &device_code).await;
        let answers = [&first, &second, &third];
        let given: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        let is_spent = (case.write, case.fault) == (3, Fault::LostAlways);
        assert_eq!(given.len(), usize::from(!is_spent), "{case:?}: {answers:?}");
        // The repetition of its own question looks like a second one: it is told to wait, and asks again.
        let waits = (case.write, case.fault) == (0, Fault::LostOnce);
        if waits {
            assert_eq!(
                (first.status, &first.json()["error"]),
                (400, &json!("slow_down")),
                "{case:?}"
            );
        } else if case.fault.is_overcome() {
            assert_eq!(first.status, 200, "{case:?}: {first:?}");
        } else {
            assert!(closed(&first), "{case:?}: {first:?}");
        }
        for answer in given {
            let who_it_is = subject(desk, &answer.json()).await;
            assert_eq!(who_it_is, comes_as_one(desk, who).await);
        }
        assert!(refused_grant(&third), "{case:?}: {third:?}");
    })
    .await;
}

#[tokio::test]
async fn a_logout_that_is_answered_counts_whatever_it_met() {
    each(1, async |desk, case, who| {
        let tokens = desk.tokens(who).await;
        let access = text(&tokens, "access_token");
        let context = desk.authorized(access).await.unwrap();
        let logout = async || {
            let event = request("POST", "/auth/logout").principal(context.clone()).event();
            desk.functions.call("token", &event).await.http()
        };
        let done = |answer: &HttpAnswer| [200, 204].contains(&answer.status);
        let first = case.meets(desk, logout()).await;
        let is_let_in = desk.authorized(access).await.is_some();
        if done(&first) {
            assert!(case.fault.is_overcome() && !is_let_in, "{case:?}");
        } else {
            assert!(closed(&first), "{case:?}: {first:?}");
            assert_eq!(is_let_in, case.fault == Fault::Refused, "{case:?}");
        }
        assert!(done(&logout().await), "{case:?}: to do it again does no harm");
        assert!(desk.authorized(access).await.is_none(), "{case:?}");
        assert!(
            refused_grant(&desk.refresh(text(&tokens, "refresh_token")).await),
            "{case:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_suspension_that_is_answered_counts_and_is_told_once() {
    each(1, async |desk, case, who| {
        let tokens = desk.tokens(who).await;
        let access = text(&tokens, "access_token");
        let person = subject(desk, &tokens).await;
        let path = format!("/api/admin/users/{}", person.strip_prefix("user:").unwrap());
        let admin = json!({"sub": "user:root", "scopes": "admin"});
        let suspend = async || {
            let asked = request("PUT", &path)
                .json(&json!({"status": "suspended"}))
                .principal(admin.clone());
            desk.functions.ask("admin", &asked).await
        };
        let first = case.meets(desk, suspend()).await;
        assert!(
            if case.fault.is_overcome() {
                first.status == 200
            } else {
                closed(&first)
            },
            "{case:?}: {first:?}"
        );
        assert_eq!(
            desk.authorized(access).await.is_some(),
            case.fault == Fault::Refused,
            "{case:?}"
        );
        assert_eq!(suspend().await.status, 200, "{case:?}");
        assert!(desk.authorized(access).await.is_none(), "{case:?}");
        let trail = request("GET", "/api/admin/audit?action=user.suspend").principal(admin.clone());
        let trail = desk.functions.ask("admin", &trail).await.json();
        assert_eq!(trail["entries"].as_array().unwrap().len(), 1, "{case:?}: {trail}");
    })
    .await;
}

/// Every step of a login says 503 and does nothing, and goes on as if nothing had been when the table is back.
#[tokio::test]
async fn while_the_table_is_down_no_step_is_taken_and_nobody_is_let_in() {
    let at_desk = [Outage::Failing, Outage::Broken].map(async |outage| {
        let desk = Desk::unreliable().await;
        let (sent, code) = (desk.begin("idp", &[]).await, desk.code("ada").await);
        let (browser, ticket) = asked(&desk, "ada").await;
        let (device_code, tokens) = (approved(&desk, "ada").await, desk.tokens("ada").await);
        let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
        let context = desk.authorized(access).await.unwrap();
        let as_person = async |method: &str, path: &str| {
            let event = request(method, path).principal(context.clone()).event();
            desk.functions.call("token", &event).await.http()
        };
        let path = format!(
            "/api/admin/users/{}",
            context["sub"].as_str().unwrap().strip_prefix("user:").unwrap()
        );
        let suspend = request("PUT", &path)
            .json(&json!({"status": "suspended"}))
            .principal(json!({"sub": "user:root", "scopes": "admin"}));

        let proxy = desk.backing.unreliable().unwrap();
        proxy.table_is(Some(outage));
        let (asks, submits) = (
            [("client_id", "cli")],
            [("user_code", "BCDF-GHJK"), ("provider", "idp")],
        );
        let (begins, ada) = (authorize("idp", &[]), desk.claims("ada"));
        let (a, b, c, d) = tokio::join!(
            desk.get(&begins, ""),
            desk.back(&sent, &ada),
            desk.redeem(&code),
            desk.refresh(refresh),
        );
        let (e, f, g, h) = tokio::join!(
            desk.post("/oauth/device_authorization", "", &asks),
            desk.post("/oauth/device", "", &submits),
            poll(&desk, &device_code),
            consent(&desk, &browser, &ticket),
        );
        let (i, j, k, l) = tokio::join!(
            as_person("GET", "/auth/me"),
            as_person("POST", "/auth/logout"),
            as_person("GET", "/auth/sessions"),
            desk.functions.ask("admin", &suspend),
        );
        for answer in [&a, &b, &c, &d, &e, &f, &g, &h, &i, &j, &k, &l] {
            assert!(closed(answer), "{outage:?}: {answer:?}");
        }
        for answer in [&c, &d, &g] {
            assert_eq!(answer.json()["error"], "temporarily_unavailable");
        }
        assert!(!desk.functions.lets_in(access).await, "{outage:?}");

        proxy.table_is(None);
        assert!(
            desk.functions.lets_in(access).await,
            "{outage:?}: neither ended nor suspended"
        );
        assert_eq!(desk.redeem(&code).await.status, 200, "{outage:?}");
        assert_eq!(desk.refresh(refresh).await.status, 200, "{outage:?}");
        assert_eq!(poll(&desk, &device_code).await.status, 200, "{outage:?}");
        let done = consent(&desk, &browser, &ticket).await;
        assert!(
            done.header("location").starts_with(&format!("{APP_URI}?code=")),
            "{outage:?}: {done:?}"
        );
        let back = desk.back(&sent, &desk.claims("ada")).await;
        assert_eq!(back.status, 303, "{outage:?}: {back:?}");
        assert_eq!(
            desk.store().users(100, None).await.unwrap().items.len(),
            1,
            "{outage:?}"
        );
    });
    join_all(at_desk).await;
}
