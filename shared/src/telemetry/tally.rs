//! Sums of metrics, as they are read from metric lines, kept in the table, and told to scrapers.
//!
//! A metric line is a JSON object in CloudWatch's [embedded metric format]: what was counted since the line before it.
//!
//! [embedded metric format]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

use std::collections::BTreeMap;

use serde_json::Value;

use super::names::{Kept, Metric, Shape, metric};
use crate::error::Error;

/// The dimension of every metric line that names the function.
pub(super) const FUNCTION: &str = "function";

/// One metric with the values of its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// The metric's name.
    pub name: &'static str,
    /// The labels, in the order of their names.
    pub labels: Vec<(String, String)>,
}

/// What a series has come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Sum {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge: its last value.
    Gauge(f64),
    /// Of a histogram.
    Histogram {
        /// How many values fell into each bucket and into none of those before it; the last is for what is above all.
        counts: Vec<u64>,
        /// The sum of the values, in billionths of its unit.
        nanos: u64,
    },
}

/// The sums of a function, or of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally(BTreeMap<Series, Sum>);

impl Series {
    /// A series. The order of the labels does not matter.
    pub fn new(name: &'static str, labels: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut labels: Vec<_> = labels.into_iter().collect();
        labels.sort();
        Self { name, labels }
    }

    /// As it names attributes: `name`, then `|label=value` for each label.
    fn text(&self) -> String {
        let mut text = self.name.to_owned();
        for (label, value) in &self.labels {
            text.push_str(&format!("|{label}={value}"));
        }
        text
    }

    fn from_text(text: &str) -> Option<(Self, &'static Metric)> {
        let mut parts = text.split('|');
        let metric = metric(parts.next()?)?;
        let labels = parts.map(|part| {
            part.split_once('=')
                .map(|(label, value)| (label.to_owned(), value.to_owned()))
        });
        Some((Self::new(metric.name, labels.collect::<Option<Vec<_>>>()?), metric))
    }
}

impl Sum {
    fn zero(metric: &Metric) -> Self {
        match metric.shape {
            Shape::Counter => Self::Counter(0),
            Shape::Gauge => Self::Gauge(0.0),
            Shape::Histogram(buckets) => Self::Histogram {
                counts: vec![0; buckets.len() + 1],
                nanos: 0,
            },
        }
    }

    fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Counter(sum), Self::Counter(more)) => *sum = sum.saturating_add(*more),
            (Self::Gauge(value), Self::Gauge(newer)) => *value = *newer,
            (
                Self::Histogram { counts, nanos },
                Self::Histogram {
                    counts: more,
                    nanos: longer,
                },
            ) => {
                counts.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                *nanos = nanos.saturating_add(*longer);
            }
            // A name has one shape.
            _ => {}
        }
    }

    /// Adds a value of a metric line.
    fn observe(&mut self, value: &Value, buckets: &[f64]) {
        match self {
            Self::Counter(sum) => *sum = sum.saturating_add(value.as_u64().unwrap_or_default()),
            Self::Gauge(last) => *last = value.as_f64().unwrap_or(*last),
            Self::Histogram { counts, nanos } => {
                let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                for value in values.iter().filter_map(Value::as_f64) {
                    let bucket = buckets.partition_point(|end| *end < value);
                    if let Some(count) = counts.get_mut(bucket) {
                        *count += 1;
                    }
                    *nanos = nanos.saturating_add(in_nanos(value));
                }
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a duration is positive, and below 584 years"
)]
fn in_nanos(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// The name of what stands for a number of a histogram: its sum, or the upper end of a bucket.
const SUM: &str = "sum";

fn end(buckets: &[f64], index: usize) -> String {
    buckets.get(index).map_or_else(|| "+Inf".to_owned(), f64::to_string)
}

impl Tally {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All series and their sums.
    pub fn iter(&self) -> impl Iterator<Item = (&Series, &Sum)> {
        self.0.iter()
    }

    /// The sum of a series.
    pub fn get(&self, series: &Series) -> Option<&Sum> {
        self.0.get(series)
    }

    /// Adds a sum to a series'.
    pub fn add(&mut self, series: Series, sum: &Sum) {
        let Some(metric) = metric(series.name) else { return };
        self.0.entry(series).or_insert_with(|| Sum::zero(metric)).add(sum);
    }

    /// Adds all sums of another one.
    pub fn merge(&mut self, other: &Self) {
        for (series, sum) in other.iter() {
            self.add(series.clone(), sum);
        }
    }

    /// Adds the metrics of a metric line, each with the labels of `more`. Whatever is none counts nothing. Returns the function that
    /// the line is of.
    pub fn read(&mut self, line: &str, wanted: impl Fn(&Metric) -> bool) -> Option<String> {
        if !line.starts_with("{\"_aws\"") {
            return None;
        }
        let line: Value = serde_json::from_str(line).ok()?;
        let told = line["_aws"]["CloudWatchMetrics"].get(0)?;
        let dimensions = told["Dimensions"].get(0)?.as_array()?.iter().filter_map(Value::as_str);
        let dimensions: Vec<_> = dimensions
            .filter_map(|name| Some((name, line[name].as_str()?)))
            .collect();
        let labels = dimensions.iter().filter(|(name, _)| *name != FUNCTION);
        let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let series = Series::new("", labels);
        for name in told["Metrics"].as_array()?.iter().filter_map(|it| it["Name"].as_str()) {
            let Some(metric) = metric(name).filter(|metric| wanted(metric)) else {
                continue;
            };
            let series = Series {
                name: metric.name,
                ..series.clone()
            };
            let buckets = buckets(metric);
            let sum = self.0.entry(series).or_insert_with(|| Sum::zero(metric));
            sum.observe(&line[name], buckets);
        }
        let function = dimensions.iter().find(|(name, _)| *name == FUNCTION);
        function.map(|(_, value)| (*value).to_owned())
    }

    /// What counts up, as numbers by name, for the table to add.
    pub fn growing(&self) -> Vec<(String, u64)> {
        let mut numbers = Vec::new();
        for (series, sum) in &self.0 {
            let name = series.text();
            match sum {
                Sum::Counter(count) => numbers.push((name, *count)),
                Sum::Gauge(_) => {}
                Sum::Histogram { counts, nanos } => {
                    let ends = metric(series.name).map(buckets).unwrap_or_default();
                    let counts = counts.iter().enumerate().filter(|(_, count)| **count > 0);
                    numbers.extend(counts.map(|(index, count)| (format!("{name}#{}", end(ends, index)), *count)));
                    numbers.push((format!("{name}#{SUM}"), *nanos));
                }
            }
        }
        numbers
    }

    /// What has a value now, by name, for the table to set.
    pub fn standing(&self) -> Vec<(String, f64)> {
        let gauge = |(series, sum): (&Series, &Sum)| match sum {
            Sum::Gauge(value) => Some((series.text(), *value)),
            _ => None,
        };
        self.0.iter().filter_map(gauge).collect()
    }

    /// Reads a number of [`Self::growing`] or [`Self::standing`]. What names no metric that there is now is passed over.
    ///
    /// # Errors
    /// When it is no number of its metric: it is no nought.
    pub fn read_number(&mut self, name: &str, number: &str) -> Result<(), Error> {
        let (name, part) = name
            .split_once('#')
            .map_or((name, None), |(name, part)| (name, Some(part)));
        let Some((series, metric)) = Series::from_text(name) else {
            return Ok(());
        };
        let count = || number.parse::<u64>().map_err(Error::internal);
        let sum = self.0.entry(series).or_insert_with(|| Sum::zero(metric));
        match (sum, part) {
            (Sum::Counter(sum), None) => *sum = sum.saturating_add(count()?),
            (Sum::Gauge(value), None) => *value = number.parse().map_err(Error::internal)?,
            (Sum::Histogram { nanos, .. }, Some(SUM)) => *nanos = nanos.saturating_add(count()?),
            (Sum::Histogram { counts, .. }, Some(part)) => {
                let ends = buckets(metric);
                let index = (0..=ends.len()).find(|index| end(ends, *index) == part);
                if let Some(sum) = index.and_then(|index| counts.get_mut(index)) {
                    *sum = sum.saturating_add(count()?);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn buckets(metric: &Metric) -> &'static [f64] {
    match metric.shape {
        Shape::Histogram(buckets) => buckets,
        Shape::Counter | Shape::Gauge => &[],
    }
}

/// Whether a metric's sums are kept in the table's counters.
pub fn is_kept(metric: &Metric) -> bool {
    metric.kept == Kept::Counters
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn line(metrics: &[(&str, Value)], labels: &[(&str, &str)]) -> String {
        let names: Vec<_> = metrics
            .iter()
            .map(|(name, _)| serde_json::json!({"Name": name}))
            .collect();
        let mut keys = vec![FUNCTION];
        keys.extend(labels.iter().map(|(name, _)| *name));
        let mut map = Map::from_iter([(
            "_aws".to_owned(),
            serde_json::json!({"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "Tollgate", "Dimensions": [keys], "Metrics": names}]}),
        )]);
        map.insert(FUNCTION.to_owned(), "token".into());
        map.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        map.extend(metrics.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Value::Object(map).to_string()
    }

    fn series(name: &'static str, labels: &[(&str, &str)]) -> Series {
        Series::new(
            name,
            labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn metric_lines_add_up_and_what_is_none_counts_nothing() {
        let mut tally = Tally::default();
        let success = [("result", "success")];
        for count in [2, 3] {
            let line = line(&[("jwt_validation_total", count.into())], &success);
            assert_eq!(tally.read(&line, |_| true).as_deref(), Some("token"));
        }
        let times = serde_json::json!([0.001, 0.0011, 7]);
        tally.read(&line(&[("jwt_validation_duration_seconds", times)], &[]), |_| true);
        tally.read(&line(&[("unheard_of_total", 1.into())], &[]), |_| true);
        for other in ["", "{\"level\":\"INFO\"}", "{\"_aws\":", "{\"_aws\":{}}"] {
            assert_eq!(tally.read(other, |_| true), None, "{other}");
        }
        assert_eq!(tally.iter().count(), 2);
        let counted = tally.get(&series("jwt_validation_total", &success));
        assert_eq!(counted, Some(&Sum::Counter(5)));
        let Some(Sum::Histogram { counts, nanos }) = tally.get(&series("jwt_validation_duration_seconds", &[])) else {
            panic!("{tally:?}");
        };
        // A bucket holds its own end.
        assert_eq!(counts, &[1, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(*nanos, 7_002_100_000);
    }

    #[test]
    fn a_tally_survives_the_numbers_that_the_table_keeps() {
        let mut tally = Tally::default();
        let labels = [("peer", "storage"), ("result", "success")];
        tally.read(&line(&[("tls_handshakes_total", 9.into())], &labels), |_| true);
        let times = serde_json::json!([0.004, 0.2, 3.5]);
        tally.read(
            &line(&[("tls_handshake_duration_seconds", times)], &labels[..1]),
            |_| true,
        );
        let days = [("tls_certificate_days_to_expiry", (-3).into())];
        tally.read(&line(&days, &[("peer", "token"), ("certificate", "ca")]), |_| true);
        let mut read = Tally::default();
        for (name, number) in tally.growing() {
            read.read_number(&name, &number.to_string()).unwrap();
        }
        for (name, number) in tally.standing() {
            read.read_number(&name, &number.to_string()).unwrap();
        }
        assert_eq!(read, tally);
        read.read_number("gone_total|a=b", "1").unwrap();
        read.read_number("tls_handshake_duration_seconds|peer=storage#0.123", "1")
            .unwrap();
        assert_eq!(read, tally);
        for (name, number) in tally.growing() {
            for none in ["-1", "0.5", "1e99", &format!("{number}0000000000000000000000")] {
                assert!(Tally::default().read_number(&name, none).is_err(), "{name} {none}");
            }
        }
        read.merge(&tally);
        let sum = read.get(&series("tls_handshakes_total", &labels));
        assert_eq!(sum, Some(&Sum::Counter(18)));
    }
}
