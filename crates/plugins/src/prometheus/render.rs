//! The scrape's answer, in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::series::{BUCKETS, Histogram, Labels};
use super::shard;

/// What the gateway knows beside the requests.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// The machine's name.
    pub hostname: String,
    /// Requests finished, with or without this plugin.
    pub requests_total: u64,
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections open.
    pub connections_active: u64,
    /// Requests under way.
    pub requests_now: u64,
    /// The revision that is served.
    pub config_revision: Option<u64>,
    /// Whether the config channel is open.
    pub config_reachable: bool,
}

/// Sums over workers for one set of labels.
#[derive(Default)]
struct Sum {
    requests: u64,
    bytes_received: u64,
    bytes_sent: u64,
    times: [HistogramSum; 3],
}

#[derive(Default)]
struct HistogramSum {
    buckets: [u64; BUCKETS.len() + 1],
    sum_us: u64,
}

impl HistogramSum {
    fn add(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += bucket.load(Relaxed);
        }
        self.sum_us += histogram.sum_us.load(Relaxed);
    }

    fn merge(&mut self, other: &HistogramSum) {
        for (sum, bucket) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += bucket;
        }
        self.sum_us += other.sum_us;
    }
}

/// The types of latency, in the order of [`Sum::times`].
const LATENCIES: [&str; 3] = ["request", "upstream", "apisix"];

/// Renders all metrics.
pub fn render(gauges: &Gauges) -> String {
    let by_code = sum_by_labels();
    let by_target = sum_over_codes(&by_code);
    let mut out = String::with_capacity(4096 + by_code.len() * 256 + by_target.len() * 4096);
    // Writing to a String cannot fail.
    let _ = write_gauges(&mut out, gauges)
        .and_then(|()| write_status(&mut out, &by_code))
        .and_then(|()| write_latency(&mut out, &by_target))
        .and_then(|()| write_bandwidth(&mut out, &by_target));
    out
}

fn sum_by_labels() -> BTreeMap<Labels, Sum> {
    let mut sums: BTreeMap<Labels, Sum> = BTreeMap::new();
    for (labels, series) in shard::all_series() {
        let sum = sums.entry(labels).or_default();
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        sum.requests += load(&series.requests);
        sum.bytes_received += load(&series.bytes_received);
        sum.bytes_sent += load(&series.bytes_sent);
        for (sum, histogram) in sum.times.iter_mut().zip([&series.total, &series.upstream, &series.gateway]) {
            sum.add(histogram);
        }
    }
    sums
}

/// Latency and bandwidth have no label for the status.
fn sum_over_codes(by_code: &BTreeMap<Labels, Sum>) -> BTreeMap<String, Sum> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for (labels, from) in by_code {
        let Labels { route, service, consumer, node, .. } = labels;
        let key = format!(
            "route=\"{}\",service=\"{}\",consumer=\"{}\",node=\"{}\"",
            escape(route),
            escape(service),
            escape(consumer),
            escape(node)
        );
        let sum = sums.entry(key).or_default();
        sum.bytes_received += from.bytes_received;
        sum.bytes_sent += from.bytes_sent;
        for (sum, from) in sum.times.iter_mut().zip(&from.times) {
            sum.merge(from);
        }
    }
    sums
}

fn write_gauges(out: &mut String, gauges: &Gauges) -> std::fmt::Result {
    head(out, "apisix_node_info", "gauge", "Info of the gateway instance")?;
    let version = env!("CARGO_PKG_VERSION");
    writeln!(out, "apisix_node_info{{hostname=\"{}\",version=\"{version}\"}} 1", escape(&gauges.hostname))?;
    head(out, "apisix_http_requests_total", "counter", "The total number of client requests")?;
    writeln!(out, "apisix_http_requests_total {}", gauges.requests_total)?;
    head(out, "apisix_nginx_http_current_connections", "gauge", "Number of HTTP connections")?;
    let states = [
        ("accepted", gauges.connections_accepted),
        ("active", gauges.connections_active),
        ("handled", gauges.connections_accepted),
        ("total", gauges.requests_total),
        ("writing", gauges.requests_now),
    ];
    for (state, value) in states {
        writeln!(out, "apisix_nginx_http_current_connections{{state=\"{state}\"}} {value}")?;
    }
    head(out, "flotilla_config_reachable", "gauge", "Whether the config channel to a control plane is open")?;
    writeln!(out, "flotilla_config_reachable {}", u8::from(gauges.config_reachable))?;
    if let Some(revision) = gauges.config_revision {
        head(out, "flotilla_config_revision", "gauge", "Revision of the configuration that is served")?;
        writeln!(out, "flotilla_config_revision {revision}")?;
    }
    head(out, "flotilla_metrics_overflow_total", "counter", "Requests not counted because there are too many series")?;
    writeln!(out, "flotilla_metrics_overflow_total {}", shard::overflowed())
}

fn write_status(out: &mut String, by_code: &BTreeMap<Labels, Sum>) -> std::fmt::Result {
    head(out, "apisix_http_status", "counter", "HTTP status codes per service in APISIX")?;
    for (labels, sum) in by_code {
        let Labels { route, matched_uri, matched_host, service, consumer, node, code } = labels;
        let [route, uri, host] = [route, matched_uri, matched_host].map(|text| escape(text));
        let [service, consumer, node] = [service, consumer, node].map(|text| escape(text));
        writeln!(
            out,
            "apisix_http_status{{code=\"{code}\",route=\"{route}\",matched_uri=\"{uri}\",matched_host=\"{host}\",\
             service=\"{service}\",consumer=\"{consumer}\",node=\"{node}\"}} {}",
            sum.requests
        )?;
    }
    Ok(())
}

fn write_latency(out: &mut String, by_target: &BTreeMap<String, Sum>) -> std::fmt::Result {
    head(out, "apisix_http_latency", "histogram", "HTTP request latency in milliseconds per service in APISIX")?;
    for (labels, sum) in by_target {
        for (kind, times) in LATENCIES.iter().zip(&sum.times) {
            let mut total = 0;
            for (bound, count) in BUCKETS.iter().zip(times.buckets) {
                total += count;
                writeln!(out, "apisix_http_latency_bucket{{type=\"{kind}\",{labels},le=\"{bound}\"}} {total}")?;
            }
            total += times.buckets.last().copied().unwrap_or_default();
            writeln!(out, "apisix_http_latency_bucket{{type=\"{kind}\",{labels},le=\"+Inf\"}} {total}")?;
            writeln!(out, "apisix_http_latency_count{{type=\"{kind}\",{labels}}} {total}")?;
            let sum_ms = times.sum_us as f64 / 1000.0;
            writeln!(out, "apisix_http_latency_sum{{type=\"{kind}\",{labels}}} {sum_ms}")?;
        }
    }
    Ok(())
}

fn write_bandwidth(out: &mut String, by_target: &BTreeMap<String, Sum>) -> std::fmt::Result {
    head(out, "apisix_bandwidth", "counter", "Total bandwidth in bytes consumed per service in APISIX")?;
    for (labels, sum) in by_target {
        writeln!(out, "apisix_bandwidth{{type=\"egress\",{labels}}} {}", sum.bytes_sent)?;
        writeln!(out, "apisix_bandwidth{{type=\"ingress\",{labels}}} {}", sum.bytes_received)?;
    }
    Ok(())
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// A label's value as the text format wants it.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::prometheus::Prometheus;
    use crate::testing::{self, compile};

    #[test]
    fn requests_of_all_threads_are_summed_under_apisix_names() {
        let count = || {
            let plugin = compile(&Prometheus, "{}");
            let mut exchange = testing::exchange("/", &[]);
            exchange.outcome.upstream_addr = Some("10.0.0.1:80".into());
            exchange.outcome.total = Duration::from_micros(3500);
            exchange.outcome.upstream_latency = Some(Duration::from_micros(1500));
            exchange.outcome.bytes_sent = 100;
            plugin.log(&mut exchange);
        };
        count();
        std::thread::spawn(count).join().expect("thread");
        let text = render(&Gauges::default());
        let has = |line: &str| assert!(text.contains(line), "{line} in\n{text}");
        has(
            "apisix_http_status{code=\"200\",route=\"r1\",matched_uri=\"/*\",matched_host=\"\",service=\"\",consumer=\"\",node=\"10.0.0.1\"} 2",
        );
        let labels = "route=\"r1\",service=\"\",consumer=\"\",node=\"10.0.0.1\"";
        has(&format!("apisix_http_latency_bucket{{type=\"request\",{labels},le=\"2\"}} 0"));
        has(&format!("apisix_http_latency_bucket{{type=\"request\",{labels},le=\"5\"}} 2"));
        has(&format!("apisix_http_latency_sum{{type=\"upstream\",{labels}}} 3"));
        has(&format!("apisix_http_latency_count{{type=\"apisix\",{labels}}} 2"));
        has(&format!("apisix_bandwidth{{type=\"egress\",{labels}}} 200"));
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
