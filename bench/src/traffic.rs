//! CPU per request, side by side: all proxies are up at once and take turns, so that what the machine
//! does meanwhile falls on all of them alike.

use anyhow::Result;
use serde::Serialize;

use crate::case::{Case, Peer};
use crate::cpu::tree_rss_kib;
use crate::proxies::Subject;
use crate::sample::{self, Rounds, Sample};
use crate::statistics::Spread;

/// A proxy's figures in one case.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) case: String,
    pub(crate) peer: String,
    /// CPU microseconds of the proxy's processes per request, call or message.
    pub(crate) cpu_us: Spread,
    /// Round by round; `None` where too little was measured.
    pub(crate) cpu_us_by_round: Vec<Option<f64>>,
    /// Over nginx's in the same case: see [`by_rounds`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_nginx: Option<f64>,
    pub(crate) requests_per_second: f64,
    /// CPU time over wall time: near 1 when the proxy, not the load generator, was the limit.
    pub(crate) busy: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) wrong: u64,
    pub(crate) errors: u64,
    pub(crate) rss_kib: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_fault: Option<String>,
}

/// Measures all subjects in turn, round by round.
pub(crate) fn measure(subjects: &mut [Subject], rounds: Rounds) -> Result<Vec<Figures>> {
    let mut samples: Vec<Vec<Option<Sample>>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds.rounds {
        for (subject, samples) in subjects.iter_mut().zip(&mut samples) {
            eprint!("\rround {round}/{}: {:<24}", rounds.rounds, format!("{} {}", subject.case, subject.peer));
            samples.push(sample::take(&mut subject.process, &subject.target, rounds)?);
        }
    }
    eprintln!();
    let figures = subjects.iter().zip(samples).filter_map(|(subject, samples)| summary(subject, &samples));
    let mut figures: Vec<_> = figures.collect();
    relate_to_nginx(&mut figures);
    Ok(figures)
}

fn summary(subject: &Subject, rounds: &[Option<Sample>]) -> Option<Figures> {
    let samples: Vec<&Sample> = rounds.iter().flatten().collect();
    let spread = |value: fn(&Sample) -> f64| Spread::of(samples.iter().map(|sample| value(sample)));
    let median = |value| spread(value).map(|spread| spread.median);
    Some(Figures {
        case: subject.case.to_string(),
        peer: subject.peer.to_string(),
        cpu_us: spread(|sample| sample.cpu_us)?,
        cpu_us_by_round: rounds.iter().map(|round| Some(round.as_ref()?.cpu_us)).collect(),
        to_nginx: None,
        requests_per_second: median(|sample| sample.rate)?,
        busy: median(|sample| sample.busy)?,
        p50_us: median(|sample| sample.p50_us)?,
        p99_us: median(|sample| sample.p99_us)?,
        wrong: samples.iter().map(|sample| sample.wrong).sum(),
        errors: samples.iter().map(|sample| sample.errors).sum(),
        rss_kib: tree_rss_kib(subject.process.pid()).unwrap_or_default(),
        first_fault: samples.iter().find_map(|sample| sample.first_fault.clone()),
    })
}

fn relate_to_nginx(figures: &mut [Figures]) {
    let nginx = Peer::Nginx.to_string();
    let of_nginx = figures.iter().filter(|of| of.peer == nginx);
    let of_nginx: Vec<_> = of_nginx.map(|of| (of.case.clone(), of.cpu_us_by_round.clone())).collect();
    for figure in figures {
        let same_case = of_nginx.iter().find(|(case, _)| *case == figure.case);
        figure.to_nginx = same_case.and_then(|(_, nginx)| by_rounds(&figure.cpu_us_by_round, nginx));
    }
}

/// The ratio of one of our cases to another.
pub(crate) fn own_ratio(figures: &[Figures], case: Case, to: Case) -> Option<f64> {
    by_rounds(rounds(figures, case, Peer::Flotilla)?, rounds(figures, to, Peer::Flotilla)?)
}

/// The ratio of ours to a peer's in the same case.
pub(crate) fn peer_ratio(figures: &[Figures], case: Case, to: Peer) -> Option<f64> {
    by_rounds(rounds(figures, case, Peer::Flotilla)?, rounds(figures, case, to)?)
}

fn rounds(figures: &[Figures], case: Case, peer: Peer) -> Option<&[Option<f64>]> {
    let (case, peer) = (case.to_string(), peer.to_string());
    figures.iter().find(|of| of.case == case && of.peer == peer).map(|of| of.cpu_us_by_round.as_slice())
}

/// The median of the ratios within each round: a machine may be slower for a while, and then is for both. None where too
/// little was measured.
fn by_rounds(of: &[Option<f64>], to: &[Option<f64>]) -> Option<f64> {
    let ratio = |(of, to): (&Option<f64>, &Option<f64>)| {
        let (of, to) = ((*of)?, (*to)?);
        (to > 0.0).then(|| of / to)
    };
    Spread::of(of.iter().zip(to).filter_map(ratio)).map(|spread| spread.median)
}

#[cfg(test)]
pub(crate) fn figures_for_tests(case: Case, peer: Peer, cpu_us: f64) -> Figures {
    Figures {
        case: case.to_string(),
        peer: peer.to_string(),
        cpu_us: Spread { median: cpu_us, min: cpu_us, max: cpu_us },
        cpu_us_by_round: vec![Some(cpu_us)],
        to_nginx: None,
        requests_per_second: 1e6 / cpu_us,
        busy: 1.0,
        p50_us: 10.0,
        p99_us: 20.0,
        wrong: 0,
        errors: 0,
        rss_kib: 1024,
        first_fault: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_nginx_of_the_same_case() {
        let mut figures = vec![
            figures_for_tests(Case::Plain, Peer::Flotilla, 12.0),
            figures_for_tests(Case::Tls, Peer::Nginx, 40.0),
            figures_for_tests(Case::Plain, Peer::Nginx, 10.0),
            figures_for_tests(Case::Auth, Peer::Flotilla, 15.0),
        ];
        relate_to_nginx(&mut figures);
        let ratios: Vec<_> = figures.iter().map(|of| of.to_nginx).collect();
        assert_eq!(ratios, [Some(1.2), Some(1.0), Some(1.0), None]);
        assert_eq!(own_ratio(&figures, Case::Auth, Case::Plain), Some(1.25));
        assert_eq!(own_ratio(&figures, Case::Tls, Case::Plain), None);
        assert_eq!(peer_ratio(&figures, Case::Plain, Peer::Nginx), Some(1.2));
        assert_eq!(peer_ratio(&figures, Case::Plain, Peer::Envoy), None);
    }

    #[test]
    fn a_slow_while_of_the_machine_is_one_of_both() {
        let (ours, nginx) =
            ([Some(11.0), Some(22.0), None, Some(12.0)], [Some(10.0), Some(20.0), Some(10.0), Some(10.0)]);
        assert_eq!(by_rounds(&ours, &nginx), Some(1.1));
        assert_eq!(by_rounds(&[None], &[Some(1.0)]), None);
        assert_eq!(by_rounds(&[Some(1.0)], &[Some(0.0)]), None);
    }
}
