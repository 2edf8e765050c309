//! What is known of beta flags: which of them Bedrock takes of a model, and which it refuses.
//!
//! A refusal counts for a day, in this environment at once and in the others when they look at the table next. Where Bedrock has
//! named what it refuses, that alone is known. Where it has not, all that is known is that something in the set is refused which is
//! not known to be accepted; that set is remembered as a whole, and counts for requests that have all of it. So nobody's request
//! loses a flag because of what somebody else has sent besides, and the set gets smaller as its other flags are seen to be accepted.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use memchr::memmem;

use crate::clock::Clock;
use crate::error::Error;
use crate::store::Store;
use crate::wire::betas::{self, Lessened, Place, RefusedBetas};

/// How long a refusal counts: Bedrock learns new flags too.
const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How often the table is asked what other environments have learned.
const ASKED_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// So many sets are remembered of a model, and so many accepted flags; callers choose flags.
const MOST_SETS: usize = 32;
const MOST_ACCEPTED: usize = 128;
/// So many models.
const MOST_MODELS: usize = 128;
/// So many tokens a set has at the most.
const MOST_IN_A_SET: usize = 24;
/// What a member's path begins with where it stands among flags.
const MEMBER: char = '@';

/// A call has its flags lessened so often at the most: once for what is likeliest, and once for the rest.
pub(super) const MOST_REPEATS: u32 = 2;

/// What is known of all models.
#[derive(Debug)]
pub struct KnownBetas {
    store: Store,
    clock: Clock,
    models: Mutex<HashMap<String, OfModel>>,
}

#[derive(Debug, Default)]
struct OfModel {
    asked_at: Option<Timestamp>,
    accepted: BTreeSet<String>,
    refused: HashMap<Set, i64>,
}

/// Flags, and paths of members, that are refused together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Set(BTreeSet<String>);

impl Set {
    /// As the table has it: parted by commas.
    fn text(&self) -> String {
        self.0.iter().cloned().collect::<Vec<_>>().join(",")
    }

    fn parse(text: &str) -> Option<Self> {
        let known = |token: &str| match token.strip_prefix(MEMBER) {
            Some(path) => betas::known_member(path).is_some(),
            None => betas::is_flag(token),
        };
        let tokens: BTreeSet<String> = text.split(',').map(str::to_owned).collect();
        tokens.iter().all(|token| known(token)).then_some(Self(tokens))
    }

    fn of(flags: &[String], members: &[&'static str]) -> Option<Self> {
        let members = members.iter().map(|member| format!("{MEMBER}{member}"));
        let tokens: BTreeSet<String> = flags.iter().cloned().chain(members).collect();
        let fits = (1..=MOST_IN_A_SET).contains(&tokens.len()) && flags.iter().all(|flag| betas::is_flag(flag));
        fits.then_some(Self(tokens))
    }

    fn flags(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter(|token| !token.starts_with(MEMBER))
    }

    fn members(&self) -> impl Iterator<Item = &'static str> {
        self.0
            .iter()
            .filter_map(|token| betas::known_member(token.strip_prefix(MEMBER)?))
    }
}

/// What is to be taken out of a body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unwanted {
    flags: Vec<String>,
    members: Vec<&'static str>,
}

impl OfModel {
    /// What of a body with these flags is known to be refused.
    fn unwanted(&self, flags: &[String], now: i64) -> Unwanted {
        let mut unwanted = Unwanted::default();
        for (set, until) in &self.refused {
            if *until > now {
                self.add(set, flags, &mut unwanted);
            }
        }
        unwanted
    }

    fn add(&self, set: &Set, flags: &[String], unwanted: &mut Unwanted) {
        let members: Vec<_> = set.members().collect();
        let suspects: Vec<_> = match members.is_empty() {
            true => set.flags().filter(|flag| !self.accepted.contains(*flag)).collect(),
            false => set.flags().collect(),
        };
        let applies = match (suspects.is_empty(), members.is_empty()) {
            (true, true) => false,
            // A member that was refused without its flag says nothing of one that has it.
            (true, false) => members
                .iter()
                .all(|member| betas::flags_of(member, flags).next().is_none()),
            (false, _) => suspects.iter().all(|flag| flags.contains(flag)),
        };
        if applies {
            unwanted.flags.extend(suspects.into_iter().cloned());
            unwanted.members.extend(members);
        }
    }

    /// The flags that are likeliest to be meant by a refusal that names none.
    fn suspects(&self, flags: &[String]) -> Vec<String> {
        let open: Vec<_> = flags.iter().filter(|flag| !self.accepted.contains(*flag)).collect();
        let strange: Vec<_> = open.iter().filter(|flag| !betas::is_documented(flag)).collect();
        let all: Vec<String> = match (open.is_empty(), strange.is_empty()) {
            // What was accepted before is not any more.
            (true, _) => flags.to_vec(),
            (false, true) => open.into_iter().cloned().collect(),
            (false, false) => strange.into_iter().map(|flag| (*flag).clone()).collect(),
        };
        all
    }
}

impl KnownBetas {
    /// Knows nothing yet.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            models: Mutex::default(),
        }
    }

    /// The body without what is known to be refused of the model; nothing where there is nothing of it in it.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] for what is no JSON object.
    pub(super) async fn lessen(&self, model: &str, body: &Bytes, place: Place) -> Result<Option<Lessened>, Error> {
        if !may_have_any(body) {
            return Ok(None);
        }
        self.ask_table(model).await;
        let flags = betas::flags(body, place);
        let now = self.clock.now_seconds();
        let unwanted = self.of(model).get(model).map(|known| known.unwanted(&flags, now));
        match unwanted {
            Some(unwanted) if unwanted != Unwanted::default() => {
                betas::without(body, place, &unwanted.flags, &unwanted.members)
            }
            _ => Ok(None),
        }
    }

    /// What to send in place of a body of which Bedrock has refused this, and what there is to remember of it. `again`: it is not the
    /// first refusal of this call.
    ///
    /// # Errors
    /// As [`Self::lessen`].
    pub(super) fn answer_to(
        &self,
        model: &str,
        body: &Bytes,
        place: Place,
        refused: &RefusedBetas,
        again: bool,
    ) -> Result<Option<(Lessened, Lesson)>, Error> {
        let flags = betas::flags(body, place);
        // What was named is known each by itself.
        let named = refused.flags.iter().map(std::slice::from_ref);
        let mut lesson: Vec<Set> = named.filter_map(|flag| Set::of(flag, &[])).collect();
        let mut gone = refused.flags.clone();
        if !refused.members.is_empty() {
            let members = refused.members.iter();
            let theirs: Vec<String> = members.flat_map(|it| betas::flags_of(it, &flags)).cloned().collect();
            lesson.extend(Set::of(&theirs, &refused.members));
            gone.extend(theirs);
        }
        // Whoever names one at a time would be asked once for each.
        if refused.unnamed || (again && !refused.flags.is_empty()) {
            let open: Vec<String> = flags.iter().filter(|flag| !gone.contains(flag)).cloned().collect();
            let suspects = self.of(model).entry(model.to_owned()).or_default().suspects(&open);
            lesson.extend(Set::of(&suspects, &[]));
            gone.extend(suspects);
        }
        let lessened = betas::without(body, place, &gone, &refused.members)?;
        Ok(lessened.map(|lessened| (lessened, Lesson(lesson))))
    }

    /// Remembers what was refused, once a call without it was answered otherwise.
    pub(super) async fn remember(&self, model: &str, lesson: Lesson) {
        let until = (self.clock.now() + COUNTS_FOR).as_second();
        for set in lesson.0 {
            let Some(over) = self.note(model, &set, until) else {
                continue;
            };
            metrics::counter!("beta_refusals_total").increment(1);
            tracing::warn!(
                model,
                flags = set.text(),
                "Bedrock refuses beta flags; they are left out for a day"
            );
            if let Err(error) = self.store.refuse_betas(model, &set.text(), until, &over).await {
                tracing::warn!(error = ?error, "other environments are not told of refused beta flags");
            }
        }
    }

    /// Remembers the flags of a call that Bedrock has taken.
    pub(super) fn accepted(&self, model: &str, body: &Bytes, place: Place) {
        if !may_have_any(body) {
            return;
        }
        let flags = betas::flags(body, place);
        let mut models = self.of(model);
        let known = models.entry(model.to_owned()).or_default();
        if known.accepted.len() + flags.len() <= MOST_ACCEPTED {
            known
                .accepted
                .extend(flags.into_iter().filter(|flag| betas::is_flag(flag)));
        }
    }

    /// Notes a set, and gives those that are over; nothing where there is no place for it.
    fn note(&self, model: &str, set: &Set, until: i64) -> Option<Vec<String>> {
        let now = self.clock.now_seconds();
        let mut models = self.of(model);
        let known = models.entry(model.to_owned()).or_default();
        let over: Vec<_> = known.refused.iter().filter(|(_, until)| **until <= now).collect();
        let over: Vec<String> = over.into_iter().map(|(set, _)| set.text()).collect();
        known.refused.retain(|_, until| *until > now);
        known.accepted.retain(|flag| !set.0.contains(flag));
        if known.refused.len() >= MOST_SETS && !known.refused.contains_key(set) {
            return None;
        }
        known.refused.insert(set.clone(), until);
        Some(over.into_iter().filter(|text| *text != set.text()).collect())
    }

    /// Learns from the table, now and then. What cannot be read is learned from Bedrock again.
    async fn ask_table(&self, model: &str) {
        let now = self.clock.now();
        let is_due = |known: &OfModel| {
            known
                .asked_at
                .is_none_or(|at| now.duration_since(at).abs() >= ASKED_AFTER)
        };
        {
            let mut models = self.of(model);
            let known = models.entry(model.to_owned()).or_default();
            if !is_due(known) {
                return;
            }
            // Who comes in the meantime does not ask too.
            known.asked_at = Some(now);
        }
        match self.store.refused_betas(model).await {
            Ok(sets) => {
                let mut models = self.of(model);
                let known = models.entry(model.to_owned()).or_default();
                let sets = sets.into_iter().take(MOST_SETS);
                let sets = sets.filter_map(|(text, until)| Some((Set::parse(&text)?, until)));
                known.refused.extend(sets);
            }
            Err(error) => tracing::warn!(error = ?error, "what is known of beta flags cannot be read"),
        }
    }

    fn of(&self, model: &str) -> MutexGuard<'_, HashMap<String, OfModel>> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if models.len() >= MOST_MODELS && !models.contains_key(model) {
            models.clear();
        }
        models
    }
}

/// What is to be remembered of a refusal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lesson(Vec<Set>);

impl Lesson {
    /// Both.
    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Whether a look at the flags is worth it: whether the body has the name of their member, or of one that a flag opens. A name that is
/// written with escapes is missed, and then Bedrock's refusal is answered anew each time.
fn may_have_any(body: &[u8]) -> bool {
    const NAMES: [&str; 8] = [
        "anthropic_beta",
        "context_management",
        "output_config",
        "output_format",
        "mcp_servers",
        "input_examples",
        "defer_loading",
        "block_binding",
    ];
    NAMES.iter().any(|name| memmem::find(body, name.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(flags: &[&str]) -> Vec<String> {
        flags.iter().map(|flag| (*flag).to_owned()).collect()
    }

    fn knowing(accepted: &[&str], refused: &[&str]) -> OfModel {
        OfModel {
            asked_at: None,
            accepted: accepted.iter().map(|flag| (*flag).to_owned()).collect(),
            refused: refused.iter().map(|text| (Set::parse(text).unwrap(), 100)).collect(),
        }
    }

    fn unwanted(known: &OfModel, flags: &[&str]) -> (Vec<String>, Vec<&'static str>) {
        let mut unwanted = known.unwanted(&owned(flags), 99);
        unwanted.flags.sort();
        (unwanted.flags, unwanted.members)
    }

    #[test]
    fn a_set_that_was_refused_counts_for_requests_that_have_all_of_it_and_no_others() {
        let known = knowing(&[], &["a-1,b-1"]);
        assert_eq!(unwanted(&known, &["a-1", "b-1", "c-1"]).0, ["a-1", "b-1"]);
        assert!(unwanted(&known, &["a-1", "c-1"]).0.is_empty());
        assert!(
            known.unwanted(&owned(&["a-1", "b-1"]), 100).flags.is_empty(),
            "it has ended"
        );
    }

    #[test]
    fn a_flag_that_is_seen_to_be_accepted_is_no_suspect_any_more() {
        let known = knowing(&["a-1"], &["a-1,b-1"]);
        assert_eq!(unwanted(&known, &["a-1", "b-1"]).0, ["b-1"]);
        assert_eq!(unwanted(&known, &["b-1"]).0, ["b-1"]);
        assert!(
            unwanted(&knowing(&["a-1", "b-1"], &["a-1,b-1"]), &["a-1", "b-1"])
                .0
                .is_empty()
        );
    }

    #[test]
    fn a_member_that_was_refused_without_its_flag_is_let_through_with_it() {
        let known = knowing(&[], &["@context_management"]);
        assert_eq!(unwanted(&known, &["b-1"]).1, ["context_management"]);
        assert!(unwanted(&known, &["context-management-1"]).1.is_empty());
        let with = knowing(&["context-management-1"], &["@context_management,context-management-1"]);
        assert_eq!(
            unwanted(&with, &["context-management-1"]),
            (owned(&["context-management-1"]), vec!["context_management"])
        );
    }

    #[test]
    fn where_none_is_named_the_flags_that_nobody_documents_are_the_first_to_go() {
        let known = knowing(&["seen-1"], &[]);
        let flags = owned(&["seen-1", "claude-code-20250219", "oauth-2025-04-20"]);
        assert_eq!(known.suspects(&flags), ["oauth-2025-04-20"]);
        assert_eq!(known.suspects(&flags[..2]), ["claude-code-20250219"]);
        assert_eq!(known.suspects(&flags[..1]), ["seen-1"], "it was accepted once");
    }

    #[test]
    fn what_the_table_has_is_read_only_if_it_is_a_set_of_flags() {
        assert!(Set::parse("a-1,@tools.*.strict").is_some());
        for bad in ["", "a b", "@messages", "a-1,,b-1"] {
            assert!(Set::parse(bad).is_none(), "{bad}");
        }
    }
}
