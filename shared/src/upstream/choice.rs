//! Which target a conversation goes to, without anything being remembered: rendezvous hashing by weight. Each target gets a score
//! from a hash of its name and the conversation, and the highest one is asked first. A target that comes or goes moves no
//! conversation but its own.

use aws_lc_rs::digest::{Context, SHA256};

/// The targets in the order in which a conversation prefers them: those of each weight get their share of all conversations. One
/// without a weight is asked last.
pub fn preferred(conversation: &[u8], targets: &[(&str, u32)]) -> Vec<usize> {
    let mut scores: Vec<(usize, f64)> = targets
        .iter()
        .enumerate()
        .map(|(index, (name, weight))| (index, score(conversation, name, *weight)))
        .collect();
    // The first of equals is the first of the list.
    scores.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    scores.into_iter().map(|(index, _)| index).collect()
}

/// `-weight / ln(u)` for a `u` that is spread evenly over (0, 1): the chance of the highest score is as the weight.
fn score(conversation: &[u8], name: &str, weight: u32) -> f64 {
    let mut digest = Context::new(&SHA256);
    digest.update(conversation);
    digest.update(name.as_bytes());
    let digest = digest.finish();
    let bytes = digest.as_ref().first_chunk::<4>().copied().unwrap_or_default();
    let even = (f64::from(u32::from_be_bytes(bytes)) + 0.5) / (f64::from(u32::MAX) + 1.0);
    f64::from(weight) / -even.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(conversation: u32, targets: &[(&str, u32)]) -> String {
        let order = preferred(&conversation.to_be_bytes(), targets);
        targets[order[0]].0.to_owned()
    }

    #[test]
    fn a_target_that_goes_moves_no_conversation_but_its_own() {
        let (all, fewer) = ([("a", 1), ("b", 1), ("c", 1)], [("a", 1), ("c", 1)]);
        for conversation in 0..500 {
            let before = first(conversation, &all);
            let after = first(conversation, &fewer);
            assert!(before == "b" || before == after, "{conversation}");
        }
    }

    #[test]
    fn each_target_gets_its_share_by_weight() {
        let targets = [("a", 3), ("b", 1), ("c", 0)];
        let mine = (0..4_000).filter(|it| first(*it, &targets) == "a").count();
        assert!((2_850..3_150).contains(&mine), "{mine} of 4,000");
        assert!((0..4_000).all(|it| first(it, &targets) != "c"));
    }
}
