//! The scrape's answer, in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::labels::escape;
use super::series::{BUCKETS, TIMES, Traffic};
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
    /// Of them, those that were served.
    pub connections_handled: u64,
    /// Connections open.
    pub connections_active: u64,
    /// Requests under way.
    pub requests_now: u64,
    /// The revision that is served.
    pub config_revision: Option<u64>,
    /// Whether the config channel is open.
    pub config_reachable: bool,
    /// Name, address, port and whether it serves, of every node with health checks.
    pub upstreams: Vec<(String, String, u16, bool)>,
}

/// Sums over all workers, by the text of the labels.
#[derive(Default)]
struct Sums {
    statuses: BTreeMap<String, u64>,
    latencies: BTreeMap<String, [HistogramSum; TIMES]>,
    /// Received and sent.
    bytes: BTreeMap<String, (u64, u64)>,
}

#[derive(Default)]
struct HistogramSum {
    buckets: [u64; BUCKETS.len() + 1],
    sum_us: u64,
}

impl HistogramSum {
    fn add(&mut self, traffic: &Traffic, time: usize) {
        let (buckets, sum_us) = traffic.histogram(time);
        for (sum, count) in self.buckets.iter_mut().zip(buckets) {
            *sum += count;
        }
        self.sum_us += sum_us;
    }
}

/// The values of `type` in `apisix_http_latency`: the whole request, its upstream, the gateway.
const LATENCIES: [&str; TIMES] = ["request", "upstream", "apisix"];

/// Renders all metrics.
pub(super) fn render(gauges: &Gauges) -> String {
    let sums = Sums::of_all_workers();
    let mut out = String::with_capacity(4096 + sums.statuses.len() * 256 + sums.latencies.len() * 12_288);
    // Writing to a String cannot fail.
    let _ = write_gauges(&mut out, gauges)
        .and_then(|()| write_limits(&mut out))
        .and_then(|()| sums.write_statuses(&mut out))
        .and_then(|()| sums.write_latencies(&mut out))
        .and_then(|()| sums.write_bandwidth(&mut out));
    out
}

fn write_gauges(out: &mut String, gauges: &Gauges) -> std::fmt::Result {
    head(out, "apisix_node_info", "gauge", "Info of the gateway instance")?;
    let version = env!("CARGO_PKG_VERSION");
    writeln!(out, "apisix_node_info{{hostname=\"{}\",version=\"{version}\"}} 1", escape(&gauges.hostname))?;
    head(out, "apisix_http_requests_total", "gauge", "The total number of client requests")?;
    writeln!(out, "apisix_http_requests_total {}", gauges.requests_total)?;
    head(out, "apisix_nginx_http_current_connections", "gauge", "Number of HTTP connections")?;
    let states = [
        ("accepted", gauges.connections_accepted),
        ("active", gauges.connections_active),
        ("handled", gauges.connections_handled),
        ("reading", 0),
        ("waiting", gauges.connections_active.saturating_sub(gauges.requests_now)),
        ("writing", gauges.requests_now),
    ];
    for (state, value) in states {
        writeln!(out, "apisix_nginx_http_current_connections{{state=\"{state}\"}} {value}")?;
    }
    // The dashboards ask for etcd; the control plane stands where it did.
    head(out, "apisix_etcd_reachable", "gauge", "Whether the config channel to a control plane is open")?;
    writeln!(out, "apisix_etcd_reachable {}", u8::from(gauges.config_reachable))?;
    head(out, "flotilla_config_reachable", "gauge", "Whether the config channel to a control plane is open")?;
    writeln!(out, "flotilla_config_reachable {}", u8::from(gauges.config_reachable))?;
    if let Some(revision) = gauges.config_revision {
        head(out, "flotilla_config_revision", "gauge", "Revision of the configuration that is served")?;
        writeln!(out, "flotilla_config_revision {revision}")?;
    }
    write_upstreams(out, &gauges.upstreams)
}

fn write_upstreams(out: &mut String, upstreams: &[(String, String, u16, bool)]) -> std::fmt::Result {
    if upstreams.is_empty() {
        return Ok(());
    }
    head(out, "apisix_upstream_status", "gauge", "Upstream status from health check")?;
    for (name, ip, port, serves) in upstreams {
        let (name, ip, value) = (escape(name), escape(ip), u8::from(*serves));
        writeln!(out, "apisix_upstream_status{{name=\"{name}\",ip=\"{ip}\",port=\"{port}\"}} {value}")?;
    }
    Ok(())
}

/// What was given up so that memory stays bounded.
fn write_limits(out: &mut String) -> std::fmt::Result {
    head(out, "flotilla_metrics_overflow_total", "counter", "Requests not counted because there are too many series")?;
    writeln!(out, "flotilla_metrics_overflow_total {}", shard::overflowed())?;
    head(out, "flotilla_limit_evicted_total", "counter", "Rate-limit windows given up before their end")?;
    writeln!(out, "flotilla_limit_evicted_total {}", crate::limit_count::evicted())?;
    head(out, "flotilla_log_entries_dropped_total", "counter", "Log entries that did not come to their sink")?;
    writeln!(out, "flotilla_log_entries_dropped_total {}", crate::log::courier::dropped())
}

impl Sums {
    fn of_all_workers() -> Self {
        let mut sums = Self::default();
        shard::each(|shard| {
            for (labels, status) in &shard.statuses {
                *sums.statuses.entry(labels.text()).or_default() += status.counter().get();
            }
            for (target, traffic) in &shard.targets {
                let latencies = sums.latencies.entry(target.text(1)).or_default();
                latencies.iter_mut().enumerate().for_each(|(time, sum)| sum.add(traffic, time));
                let (received, sent) = sums.bytes.entry(target.text(2)).or_default();
                *received += traffic.bytes_received.get();
                *sent += traffic.bytes_sent.get();
            }
        });
        sums
    }

    fn write_statuses(&self, out: &mut String) -> std::fmt::Result {
        head(out, "apisix_http_status", "counter", "HTTP status codes per service in APISIX")?;
        self.statuses.iter().try_for_each(|(labels, count)| writeln!(out, "apisix_http_status{{{labels}}} {count}"))
    }

    fn write_latencies(&self, out: &mut String) -> std::fmt::Result {
        head(out, "apisix_http_latency", "histogram", "HTTP request latency in milliseconds per service in APISIX")?;
        for (labels, latencies) in &self.latencies {
            for (kind, times) in LATENCIES.iter().zip(latencies) {
                write_histogram(out, &format!("type=\"{kind}\",{labels}"), times)?;
            }
        }
        Ok(())
    }

    fn write_bandwidth(&self, out: &mut String) -> std::fmt::Result {
        head(out, "apisix_bandwidth", "counter", "Total bandwidth in bytes consumed per service in APISIX")?;
        for (labels, (received, sent)) in &self.bytes {
            writeln!(out, "apisix_bandwidth{{type=\"egress\",{labels}}} {sent}")?;
            writeln!(out, "apisix_bandwidth{{type=\"ingress\",{labels}}} {received}")?;
        }
        Ok(())
    }
}

/// Buckets add up: each counts what the ones before it count. One that never saw a time is left out.
fn write_histogram(out: &mut String, labels: &str, times: &HistogramSum) -> std::fmt::Result {
    let count: u64 = times.buckets.iter().sum();
    if count == 0 {
        return Ok(());
    }
    let mut total = 0;
    for (bound, times) in BUCKETS.iter().zip(times.buckets) {
        total += times;
        writeln!(out, "apisix_http_latency_bucket{{{labels},le=\"{bound}\"}} {total}")?;
    }
    writeln!(out, "apisix_http_latency_bucket{{{labels},le=\"+Inf\"}} {count}")?;
    writeln!(out, "apisix_http_latency_count{{{labels}}} {count}")?;
    writeln!(out, "apisix_http_latency_sum{{{labels}}} {}", times.sum_us as f64 / 1000.0)
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) -> std::fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

#[cfg(test)]
mod tests;
