//! Metrics in the [text format of Prometheus], version 0.0.4.
//!
//! [text format of Prometheus]: https://prometheus.io/docs/instrumenting/exposition_formats/

use std::collections::BTreeMap;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{TEXT_FORMAT, TextEncoder};

use super::names::{ALL, Shape};
use super::tally::{FUNCTION, Series, Sum, Tally};
use crate::error::Error;

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = TEXT_FORMAT;

/// All metrics that have a value, in the order of the list. `by_function` are sums of functions, each told with its name; `others` are
/// told as they are.
///
/// # Errors
/// [`crate::error::Kind::Internal`] when a text cannot be written.
pub fn text(by_function: &BTreeMap<String, Tally>, others: &Tally) -> Result<String, Error> {
    let functions = by_function.iter().flat_map(|(function, tally)| {
        let function = Some(function.as_str());
        tally.iter().map(move |(series, sum)| (function, series, sum))
    });
    let others = others.iter().map(|(series, sum)| (None, series, sum));
    let mut found: BTreeMap<&str, Vec<Metric>> = BTreeMap::new();
    for (function, series, sum) in functions.chain(others) {
        found
            .entry(series.name)
            .or_default()
            .push(sample(function, series, sum));
    }
    let families = ALL.iter().filter_map(|metric| {
        let mut family = MetricFamily::default();
        family.set_name(metric.name.to_owned());
        family.set_help(metric.help.to_owned());
        family.set_field_type(match metric.shape {
            Shape::Counter => MetricType::COUNTER,
            Shape::Gauge => MetricType::GAUGE,
            Shape::Histogram(_) => MetricType::HISTOGRAM,
        });
        family.set_metric(found.remove(metric.name)?);
        Some(family)
    });
    let families: Vec<_> = families.collect();
    TextEncoder::new().encode_to_string(&families).map_err(Error::internal)
}

fn sample(function: Option<&str>, series: &Series, sum: &Sum) -> Metric {
    let function = function.map(|function| pair(FUNCTION, function));
    let labels = series.labels.iter().map(|(name, value)| pair(name, value));
    let mut metric = Metric::from_label(function.into_iter().chain(labels).collect());
    match sum {
        Sum::Counter(count) => {
            let mut counter = Counter::default();
            counter.set_value(float(*count));
            metric.set_counter(counter);
        }
        Sum::Gauge(value) => {
            let mut gauge = Gauge::default();
            gauge.set_value(*value);
            metric.set_gauge(gauge);
        }
        Sum::Histogram { counts, nanos } => metric.set_histogram(histogram(series, counts, *nanos)),
    }
    metric
}

/// Prometheus' buckets hold what is in the ones before them too.
fn histogram(series: &Series, counts: &[u64], nanos: u64) -> Histogram {
    let ends = match super::names::metric(series.name).map(|metric| metric.shape) {
        Some(Shape::Histogram(ends)) => ends,
        _ => &[],
    };
    let mut so_far = 0;
    let buckets = ends.iter().zip(counts).map(|(end, count)| {
        so_far += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*end);
        bucket.set_cumulative_count(so_far);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(float(nanos) / 1e9);
    histogram
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// Prometheus has no other numbers: past 2^53 the last digits go.
#[expect(clippy::cast_precision_loss, reason = "the format has floating point numbers alone")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B-20
    #[test]
    fn sums_are_told_in_prometheus_text() {
        let mut tally = Tally::default();
        let series = Series::new("jwt_validation_total", [("result".to_owned(), "success".to_owned())]);
        tally.add(series, &Sum::Counter(3));
        let times = Sum::Histogram {
            counts: vec![2, 1, 0, 0, 0, 0, 0, 0, 0, 1],
            nanos: 1_502_000_000,
        };
        tally.add(Series::new("jwt_validation_duration_seconds", []), &times);
        let mut others = Tally::default();
        others.add(Series::new("model_cost_picodollars_total", []), &Sum::Counter(1 << 53));
        let functions = BTreeMap::from([("authorizer".to_owned(), tally)]);
        insta::assert_snapshot!(text(&functions, &others).unwrap(), @r#"
        # HELP jwt_validation_total Access tokens that were checked, by what came of it.
        # TYPE jwt_validation_total counter
        jwt_validation_total{function="authorizer",result="success"} 3
        # HELP jwt_validation_duration_seconds What the check of an access token took. Past 0.1 s there is a warning in the log.
        # TYPE jwt_validation_duration_seconds histogram
        jwt_validation_duration_seconds_bucket{function="authorizer",le="0.001"} 2
        jwt_validation_duration_seconds_bucket{function="authorizer",le="0.005"} 3
        jwt_validation_duration_seconds_bucket{function="authorizer",le="0.01"} 3
        jwt_validation_duration_seconds_bucket{function="authorizer",le="0.025"} 3
        jwt_validation_duration_seconds_bucket{function="authorizer",le="0.05"} 3
        jwt_validation_duration_seconds_bucket{function="authorizer",le="0.1"} 3
        jwt_validation_duration_seconds_bucket{function="authorizer",le="0.25"} 3
        jwt_validation_duration_seconds_bucket{function="authorizer",le="0.5"} 3
        jwt_validation_duration_seconds_bucket{function="authorizer",le="1"} 3
        jwt_validation_duration_seconds_bucket{function="authorizer",le="+Inf"} 4
        jwt_validation_duration_seconds_sum{function="authorizer"} 1.502
        jwt_validation_duration_seconds_count{function="authorizer"} 4
        # HELP model_cost_picodollars_total What calls cost, in millionths of a millionth of a dollar.
        # TYPE model_cost_picodollars_total counter
        model_cost_picodollars_total 9007199254740992
        "#);
    }

    #[test]
    fn what_has_no_value_is_not_told() {
        assert_eq!(text(&BTreeMap::new(), &Tally::default()).unwrap(), "");
    }
}
