//! Alerts that are on their way.

use gateway::alerts::Target;
use gateway::error::Error;
use gateway::store::{Claim, Cursor, PendingAlert};
use jiff::SignedDuration;

use crate::pass::Pass;

const PAGE: usize = 100;
/// For so long an alert belongs to the run that delivers it.
const TAKEN_FOR: SignedDuration = SignedDuration::from_secs(120);
/// After so long a receiver that takes nothing is not told any more.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(72);
/// A target that fails so often in a run is not asked again in it.
const MOST_FAILURES: usize = 3;

/// Delivers what is in the outbox. What a target does not take stays there for the next run, with the same id.
pub(crate) async fn deliver(pass: &mut Pass<'_>) -> Result<(), Error> {
    let mut failures: Vec<Target> = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = pass.state.store.pending_alerts(PAGE, after.as_ref()).await?;
        for alert in page.items {
            if !pass.time.is_left() {
                return Ok(());
            }
            deliver_one(pass, alert, &mut failures).await?;
        }
        after = page.next_cursor;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn deliver_one(pass: &mut Pass<'_>, alert: PendingAlert, failures: &mut Vec<Target>) -> Result<(), Error> {
    let store = &pass.state.store;
    if !store
        .take_alert(&alert.event_id, pass.now, pass.now + TAKEN_FOR)
        .await?
    {
        return Ok(());
    }
    if store.claim_alert(&alert.budget, alert.percent).await? == Claim::Done {
        // It went out before, and whoever saw it did not know.
        return store.forget_alert(&alert.event_id).await;
    }
    let mut delivered_to = alert.delivered_to.clone();
    let mut missing = false;
    for target in pass.state.alerts.targets() {
        if !delivered_to.iter().any(|it| it == target.label()) {
            match try_target(pass, target, &alert, failures).await {
                true => delivered_to.push(target.label().to_owned()),
                false => missing = true,
            }
        }
    }
    let too_late = alert.raised_at + GIVEN_UP_AFTER < pass.now;
    if missing {
        pass.report.alerts_failed += 1;
        if !too_late {
            return store.return_alert(&alert.event_id, &delivered_to).await;
        }
        tracing::error!(event_id = alert.event_id, "an alert is given up");
    } else {
        pass.report.alerts_delivered += 1;
    }
    store.alert_is_delivered(&alert.budget, alert.percent).await?;
    store.forget_alert(&alert.event_id).await
}

async fn try_target(pass: &Pass<'_>, target: Target, alert: &PendingAlert, failures: &mut Vec<Target>) -> bool {
    if failures.iter().filter(|it| **it == target).count() >= MOST_FAILURES {
        return false;
    }
    match pass.state.alerts.deliver(target, alert, pass.state.clock.now()).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(error = ?error, target = target.label(), event_id = alert.event_id, "an alert was not delivered");
            failures.push(target);
            false
        }
    }
}
