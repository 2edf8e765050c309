//! Prometheus text as a scraper reads it: strictly, so that what it would refuse is refused here.

use std::collections::BTreeMap;

use crate::local::{Answer, Caller, Stack};

/// The samples of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(BTreeMap<Sample, f64>);

/// A name with its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
}

impl Samples {
    /// What `GET /metrics` of the gateway says.
    pub async fn of_gateway(scraper: &Caller) -> Self {
        Self::of(&scraper.get("/metrics").await)
    }

    /// What `local` reads in the functions' metric lines.
    pub async fn of_lines(stack: &Stack) -> Self {
        Self::of(&Caller::at(&stack.ready().lambda).get("/metrics").await)
    }

    /// What an answer to a scraper says.
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
        Self::parse(std::str::from_utf8(&answer.body).unwrap())
    }

    /// Reads a text.
    pub fn parse(text: &str) -> Self {
        let mut samples = Self::default();
        let mut types = BTreeMap::new();
        for line in text.lines() {
            if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, kind) = typed.split_once(' ').unwrap();
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            } else if !line.starts_with("# HELP ") {
                let (sample, value) = sample(line);
                let ends = ["_bucket", "_sum", "_count"];
                let family = ends.iter().find_map(|end| sample.name.strip_suffix(end));
                let family = family.filter(|name| types.get(*name).is_some_and(|kind| kind == "histogram"));
                assert!(types.contains_key(family.unwrap_or(&sample.name)), "no type: {line}");
                assert!(samples.0.insert(sample, value).is_none(), "twice: {line}");
            }
        }
        samples
    }

    /// The sum of all samples of this name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |sample: &Sample| {
            labels
                .iter()
                .all(|(label, value)| sample.labels.get(*label).is_some_and(|it| it == value))
        };
        let found = self.0.iter().filter(|(sample, _)| sample.name == name && has(sample));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts are whole and small"
        )]
        let sum = found.map(|(_, value)| *value).sum::<f64>() as u64;
        sum
    }

    /// The sums by the value of one label.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let values = self.0.keys().filter(|sample| sample.name == name);
        let values = values.filter_map(|sample| sample.labels.get(label).cloned());
        values
            .map(|value| (value.clone(), self.sum(name, &[(label, &value)])))
            .collect()
    }

    /// Those that `wanted` is true of.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&Sample) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(sample, _)| wanted(sample))
                .map(|(sample, value)| (sample.clone(), *value))
                .collect(),
        )
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> (Sample, f64) {
    let (left, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, labels) = match left.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').unwrap()),
        None => (left, ""),
    };
    let pairs = labels.split(',').filter(|pair| !pair.is_empty()).map(|pair| {
        let (label, value) = pair.split_once('=').unwrap();
        (
            label.to_owned(),
            value
                .strip_prefix('"')
                .and_then(|it| it.strip_suffix('"'))
                .unwrap()
                .to_owned(),
        )
    });
    let sample = Sample {
        name: name.to_owned(),
        labels: pairs.collect(),
    };
    (sample, value.parse().unwrap())
}
