use super::*;
use crate::budget::{Amount, ScopeKind, Unit, Window};

fn budget(id: &str) -> BudgetId {
    let at: Timestamp = "2026-11-25T13:05:59Z".parse().unwrap();
    BudgetId {
        scope: ScopeKind::User,
        id: id.into(),
        unit: Unit::Picodollars,
        window: Window::Month,
        start: Window::Month.start(at),
    }
}

#[test]
fn an_event_has_one_id_for_each_budget_window_and_percentage() {
    let id = event_id(&budget("user:a"), 50);
    assert_eq!(id, event_id(&budget("user:a"), 50));
    assert!(id.len() == 38 && id.starts_with("alert_"), "{id}");
    let mut week = budget("user:a");
    week.window = Window::Week;
    for other in [
        event_id(&budget("user:b"), 50),
        event_id(&budget("user:a"), 75),
        event_id(&week, 50),
    ] {
        assert_ne!(id, other);
    }
}

#[test]
fn a_receiver_is_told_whose_budget_it_is_and_how_much_of_it_is_spent() {
    let alert = PendingAlert {
        event_id: "alert_1".into(),
        budget: budget("user:a"),
        percent: 75,
        spent: Amount::new(80),
        limit: Amount::new(100),
        raised_at: "2026-11-25T13:06:00Z".parse().unwrap(),
        delivered_to: vec![],
    };
    assert_eq!(
        payload(&alert),
        json!({
            "type": "budget.threshold_reached", "id": "alert_1", "timestamp": "2026-11-25T13:06:00.000Z",
            "data": {"scope": "user", "id": "user:a", "unit": "picodollars", "window": "month", "window_start": "2026-11",
                     "percent": 75, "limit": "100", "spent": "80"},
        })
    );
}
