//! Which limits a call is held against, kept in the environment so that a call does not wait for them each time.

use crate::budget::{Amount, BudgetSet, DEFAULT_ID, Limit, ORGANISATION_ID, ScopeKind};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::error::Error;
use crate::lookups::{LIMITS, limits_id};
use crate::store::{HeldLimit, Store};

/// A change of limits is seen by every environment after so many seconds at the latest.
pub const LAG_SECONDS: i64 = 30;
/// Who calls which model, as budgets see it.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The API key's id.
    pub key_id: Option<&'a str>,
    /// The subject.
    pub user: &'a str,
    /// The team.
    pub team: Option<&'a str>,
    /// The model without profile.
    pub model: &'a str,
}

impl Owner<'_> {
    fn ids(&self) -> [(ScopeKind, Option<&str>); 5] {
        [
            (ScopeKind::Key, self.key_id),
            (ScopeKind::User, Some(self.user)),
            (ScopeKind::Team, self.team),
            (ScopeKind::Model, Some(self.model)),
            (ScopeKind::Organisation, Some(ORGANISATION_ID)),
        ]
    }
}

/// Knows limits, for [`LAG_SECONDS`] at the most.
#[derive(Debug)]
pub struct Limits {
    store: Store,
    cache: Cache,
    reading: tokio::sync::Mutex<()>,
}

impl Limits {
    /// Knows nothing yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        let cache = store.cache().cloned();
        Self {
            store,
            cache: cache.unwrap_or_else(|| Cache::of_this_environment(clock)),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The limits that hold for a call, in the order in which it is to hold them: of each scope the caller's own, and of the
    /// defaults those whose unit and window no own limit has.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: without knowing the limits no call goes out.
    pub async fn of(&self, owner: &Owner<'_>) -> Result<Vec<(HeldLimit, Amount)>, Error> {
        let wanted: Vec<(ScopeKind, &str)> = owner
            .ids()
            .into_iter()
            .filter_map(|(scope, id)| Some((scope, id?)))
            .flat_map(|(scope, id)| {
                let default = (scope != ScopeKind::Organisation).then_some((scope, DEFAULT_ID));
                [Some((scope, id)), default].into_iter().flatten()
            })
            .collect();
        let sets = self.read(&wanted).await?;
        Ok(merged(&wanted, &sets))
    }

    /// The limits of these, from memory or the table.
    async fn read(&self, wanted: &[(ScopeKind, &str)]) -> Result<Vec<Vec<Limit>>, Error> {
        let ids: Vec<String> = wanted.iter().map(|(scope, id)| limits_id(*scope, id)).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let known = self.cache.find(&LIMITS, &ids).await;
        if known.iter().all(Option::is_some) {
            return Ok(known.into_iter().flatten().map(|known| known.value).collect());
        }
        // One reads, and the others find what it has read.
        let _one = self.reading.lock().await;
        let known = self.cache.find(&LIMITS, &ids).await;
        let missing: Vec<usize> = (0..wanted.len()).filter(|index| known[*index].is_none()).collect();
        let asked: Vec<_> = missing.iter().map(|index| wanted[*index]).collect();
        let mark = self.cache.mark();
        let found = self.store.budget_sets(&asked).await?;
        let mut limits: Vec<Vec<Limit>> = known
            .into_iter()
            .map(|it| it.map_or_else(Vec::new, |it| it.value))
            .collect();
        for index in missing {
            let set = found.iter().find(|set| is_of(set, &wanted[index]));
            limits[index] = set.map(|set| set.limits.clone()).unwrap_or_default();
            self.cache.keep(&LIMITS, ids[index], &limits[index], mark).await;
        }
        Ok(limits)
    }
}

fn is_of(set: &BudgetSet, (scope, id): &(ScopeKind, &str)) -> bool {
    set.scope == *scope && set.id == *id
}

fn merged(wanted: &[(ScopeKind, &str)], sets: &[Vec<Limit>]) -> Vec<(HeldLimit, Amount)> {
    let mut all: Vec<(HeldLimit, Amount)> = Vec::new();
    for ((scope, _), limits) in wanted.iter().zip(sets) {
        for limit in limits {
            let held = HeldLimit {
                scope: *scope,
                unit: limit.unit,
                window: limit.window,
            };
            // Own limits stand before the defaults.
            if !all.iter().any(|(known, _)| *known == held) {
                all.push((held, limit.limit));
            }
        }
    }
    all.sort_by_key(|(held, _)| *held);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Unit, Window};

    fn limit(unit: Unit, window: Window, limit: u64) -> Limit {
        Limit {
            unit,
            window,
            limit: Amount::new(limit),
            alerts: vec![],
        }
    }

    #[test]
    fn own_limits_go_before_defaults_and_the_narrowest_scope_first() {
        let wanted = [
            (ScopeKind::User, "user:a"),
            (ScopeKind::User, "*"),
            (ScopeKind::Organisation, "all"),
        ];
        let sets = [
            vec![limit(Unit::Picodollars, Window::Month, 1)],
            vec![
                limit(Unit::Picodollars, Window::Month, 2),
                limit(Unit::Requests, Window::Minute, 3),
            ],
            vec![limit(Unit::Picodollars, Window::Month, 4)],
        ];
        let all = merged(&wanted, &sets);
        let told: Vec<_> = all
            .iter()
            .map(|(held, limit)| (held.scope, held.unit, limit.as_u128()))
            .collect();
        assert_eq!(
            told,
            [
                (ScopeKind::User, Unit::Requests, 3),
                (ScopeKind::User, Unit::Picodollars, 1),
                (ScopeKind::Organisation, Unit::Picodollars, 4),
            ]
        );
    }
}
