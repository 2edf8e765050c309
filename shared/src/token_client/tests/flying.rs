//! Many who ask at once.

use futures_util::future::join_all;
use futures_util::poll;

use super::*;
use crate::recorded::Recorded;

/// B-04
#[tokio::test]
async fn concurrent_callers_cause_one_request_and_get_the_same_token() {
    let recorded = Recorded::default();
    let _guard = recorded.begin();
    let desk = Desk::held().await;
    let client = desk.client();
    let asking = join_all((0..50).map(|_| client.token()));
    let (outcomes, ()) = tokio::join!(asking, async {
        desk.until_asked(1).await;
        desk.script.gate.add_permits(50);
    });
    assert!(
        outcomes
            .iter()
            .all(|it| it.as_ref().is_ok_and(|it| it.expose() == TOKEN))
    );
    assert_eq!(desk.asked(), 1);
    assert_eq!(recorded.sum("oauth_token_requests_total{result=success}"), 1.0);
}

/// B-04
#[tokio::test]
async fn the_others_get_their_token_when_the_first_caller_goes_away() {
    let desk = Desk::held().await;
    let client = desk.client();
    let mut first = Box::pin(client.token());
    let mut second = Box::pin(client.token());
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    desk.until_asked_while(1, async { (&mut first).await }).await;
    drop(first);
    desk.script.gate.add_permits(1);
    assert_eq!(second.await.unwrap().expose(), TOKEN);
    assert_eq!(desk.asked(), 1);
}

/// B-04
#[tokio::test]
async fn when_all_callers_have_gone_away_the_next_one_asks_anew() {
    let desk = Desk::held().await;
    let client = desk.client();
    let mut first = Box::pin(client.token());
    desk.until_asked_while(1, async { (&mut first).await }).await;
    drop(first);
    desk.script.gate.add_permits(2);
    client.token().await.unwrap();
    assert_eq!(desk.asked(), 2);
}

/// B-04, B-05
#[tokio::test]
async fn all_who_wait_get_the_error_and_the_next_call_tries_again() {
    let desk = Desk::held().await;
    desk.answers(503, "");
    let client = desk.client();
    let asking = join_all((0..20).map(|_| client.token()));
    let (outcomes, ()) = tokio::join!(asking, async {
        desk.until_asked(1).await;
        desk.script.gate.add_permits(1);
    });
    assert!(outcomes.iter().all(|it| *it == Err(TokenError::Failed { status: 503 })));
    assert_eq!(desk.asked(), 1);
    assert_eq!(client.state(), State::None);
    desk.answers(200, &token_answer(&json!({})));
    desk.script.gate.add_permits(1);
    client.token().await.unwrap();
    assert_eq!(desk.asked(), 2);
}

/// B-05: an old token is not given out because there is no new one, and the error is not kept.
#[tokio::test]
async fn a_waiter_that_has_not_looked_yet_keeps_no_error_for_those_who_come_later() {
    let desk = Desk::open().await;
    desk.answers(500, "");
    let client = desk.client();
    let mut lazy = Box::pin(client.token());
    assert!(poll!(&mut lazy).is_pending());
    client.token().await.unwrap_err();
    desk.answers(200, &token_answer(&json!({})));
    client.token().await.unwrap();
    lazy.await.unwrap_err();
    assert_eq!(desk.asked(), 2);
}

/// B-06
#[tokio::test]
async fn closing_forgets_the_token_and_ends_those_who_wait_and_all_who_come_later() {
    let desk = Desk::held().await;
    let client = desk.client();
    let other = client.clone();
    let (outcome, ()) = tokio::join!(client.token(), async {
        desk.until_asked(1).await;
        other.close();
    });
    assert_eq!(outcome, Err(TokenError::Closed));
    desk.script.gate.add_permits(1);
    assert_eq!(client.token().await, Err(TokenError::Closed));
    assert_eq!((client.state(), desk.asked()), (State::None, 1));

    let desk = Desk::open().await;
    let client = desk.client();
    client.token().await.unwrap();
    client.close();
    client.close();
    assert_eq!(client.state(), State::None);
    assert_eq!(client.token().await, Err(TokenError::Closed));
    assert_eq!(desk.asked(), 1);
}

impl Desk {
    /// Lets a call go on until so many requests have come in; it is not over by then.
    async fn until_asked_while<T>(&self, times: usize, call: impl Future<Output = T>) {
        tokio::select! {
            () = self.until_asked(times) => {}
            _ = call => panic!("the call is over"),
        }
    }
}
