//! Which processor runs what, and what a process tree has used of it.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Enough for the most connections that a part holds, twice.
const FILES: u64 = 65_536;
/// Memory that has not fallen for so long is what stays.
const SETTLING: Duration = Duration::from_secs(4);
const SETTLING_LIMIT: Duration = Duration::from_secs(30);

/// The two processors of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cpu {
    /// The proxy under test, alone.
    Proxy,
    /// Load generator and upstream.
    Load,
}

impl Cpu {
    /// Its number. On a machine with one processor all share it.
    pub(crate) fn number(self) -> usize {
        let last = std::thread::available_parallelism().map_or(0, |count| count.get() - 1);
        match self {
            Cpu::Proxy => 0,
            Cpu::Load => last.min(1),
        }
    }
}

/// Keeps the calling thread on one processor. Where that is not allowed the run is merely noisier.
pub(crate) fn pin_thread(cpu: Cpu) {
    // SAFETY: the set is a plain bit field for which all zeroes is the empty set; the call reads it only.
    let outcome = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu.number(), &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if outcome != 0 {
        eprintln!("warning: cannot pin a thread to processor {}", cpu.number());
    }
}

/// Threads of a process that are scheduled in another way than usual until this is dropped.
pub(crate) struct Scheduled {
    pid: u32,
    /// By their names; all where there is none.
    threads: &'static [&'static str],
}

impl Scheduled {
    /// A process that runs only when nobody else wants the processor: it stands in for one on another machine.
    pub(crate) fn behind(pid: u32) -> Self {
        Self { pid, threads: &[] }.by(libc::SCHED_IDLE)
    }

    /// Threads of this process that have the processor as soon as they want it. Who merely stands back still keeps the others
    /// waiting for milliseconds (seen on Linux 6.18), which must not count as the gateway's.
    pub(crate) fn ahead(threads: &'static [&'static str]) -> Self {
        Self { pid: std::process::id(), threads }.by(libc::SCHED_FIFO)
    }

    fn by(self, policy: libc::c_int) -> Self {
        schedule(self.pid, self.threads, policy);
        self
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        schedule(self.pid, self.threads, libc::SCHED_OTHER);
    }
}

/// Lets the calling thread run only when nobody else wants the processor: it stands in for a client on another machine.
pub(crate) fn stand_back() {
    if !schedule_thread(0, libc::SCHED_IDLE) {
        eprintln!("warning: cannot change how a thread is scheduled");
    }
}

/// For the threads there are that are named so, or all where `names` is empty; later ones inherit it. Where that is not allowed
/// the run is merely noisier.
fn schedule(pid: u32, names: &[&str], policy: libc::c_int) {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let ids = threads.filter_map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        (names.is_empty() || names.contains(&name.trim_end()))
            .then(|| thread.file_name().to_str()?.parse::<libc::pid_t>().ok())?
    });
    if ids.filter(|id| !schedule_thread(*id, policy)).count() > 0 {
        eprintln!("warning: cannot change how process {pid} is scheduled");
    }
}

/// Of a thread by its id, 0 for the calling one; whether it was allowed.
fn schedule_thread(id: libc::pid_t, policy: libc::c_int) -> bool {
    let priority = libc::sched_param { sched_priority: libc::c_int::from(policy == libc::SCHED_FIFO) };
    // SAFETY: the call reads a plain struct that lives through it.
    unsafe { libc::sched_setscheduler(id, policy, &raw const priority) == 0 }
}

/// Lets this process and its children hold as many files open as they need, or as the system permits; returns how many.
pub(crate) fn raise_file_limit() -> u64 {
    // SAFETY: the calls get a valid pointer to a plain struct that lives through them.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 0;
        }
        // Beyond the hard limit only the administrator gets, who may try.
        let wanted = limit.rlim_max.max(FILES);
        let raised = libc::rlimit { rlim_cur: wanted, rlim_max: wanted };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 {
            return wanted;
        }
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        limit.rlim_cur
    }
}

/// User and system time that `root` and all its descendants have used, in microseconds.
pub(crate) fn tree_cpu_us(root: u32) -> Result<f64> {
    Ok(tree(root)?.iter().filter_map(|process| cpu_time(process.pid)).sum::<Duration>().as_secs_f64() * 1e6)
}

/// [`tree_cpu_us`] of a process without descendants, for less work.
pub(crate) fn process_cpu_us(pid: u32) -> Result<f64> {
    Ok(cpu_time(pid).with_context(|| format!("process {pid} is gone"))?.as_secs_f64() * 1e6)
}

/// By the process's CPU clock, which counts nanoseconds: the ticks in /proc would be off by one in a short round.
/// None when it has ended.
fn cpu_time(pid: u32) -> Option<Duration> {
    let pid = libc::pid_t::try_from(pid).ok()?;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls get valid pointers to plain values that live through them.
    let is_known = unsafe {
        let mut clock: libc::clockid_t = 0;
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0 && libc::clock_gettime(clock, &raw mut time) == 0
    };
    let nanoseconds = u32::try_from(time.tv_nsec).ok().filter(|_| is_known)?;
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, nanoseconds))
}

/// How long a gateway's workers were ready to run while somebody else had their processor, since their start.
pub(crate) fn workers_wait(pid: u32) -> Result<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))?;
    let wait = |thread: fs::DirEntry| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let stat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        name.starts_with("worker-").then(|| parse_wait(&stat)).flatten()
    };
    Ok(threads.flatten().filter_map(wait).sum())
}

/// The kernel's statistics of schedulers: time on the processor, time waiting for it, both in nanoseconds, and turns.
fn parse_wait(schedstat: &str) -> Option<Duration> {
    schedstat.split(' ').nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// Resident memory of `root` and all its descendants, in KiB.
pub(crate) fn tree_rss_kib(root: u32) -> Result<u64> {
    let resident = |process: &Process| {
        let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Ok(tree(root)?.iter().filter_map(resident).sum())
}

/// [`tree_rss_kib`] once it falls no more: allocators give back with a delay what is needed no longer.
pub(crate) fn settled_rss_kib(root: u32) -> Result<f64> {
    let begun = Instant::now();
    let (mut least, mut fell) = (tree_rss_kib(root)?, begun);
    while fell.elapsed() < SETTLING && begun.elapsed() < SETTLING_LIMIT {
        std::thread::sleep(Duration::from_millis(250));
        let now = tree_rss_kib(root)?;
        if now < least {
            (least, fell) = (now, Instant::now());
        }
    }
    Ok(least as f64)
}

struct Process {
    pid: u32,
    parent: u32,
}

fn tree(root: u32) -> Result<Vec<Process>> {
    let mut by_parent: HashMap<u32, Vec<Process>> = HashMap::new();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let stat = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let stat = stat.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        match stat.as_deref().and_then(parse_stat) {
            Some(process) if process.pid == root => found.push(process),
            Some(process) => by_parent.entry(process.parent).or_default().push(process),
            None => {}
        }
    }
    found.first().with_context(|| format!("process {root} is gone"))?;
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let children = by_parent.remove(&process.pid).unwrap_or_default();
        found.extend(children);
        next += 1;
    }
    Ok(found)
}

/// proc(5): the second field is the name in brackets, which may itself hold blanks and brackets.
fn parse_stat(stat: &str) -> Option<Process> {
    let (pid, rest) = stat.split_once(' ')?;
    let fields: Vec<&str> = rest.rsplit_once(") ")?.1.split(' ').collect();
    Some(Process { pid: pid.parse().ok()?, parent: fields.get(1)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_strange_name_is_read() {
        let line = "77 (a) b (c) S 5 77 77 0 -1 4194560 100 0 0 0 30 12 9 9 20 0 1 0 100 1 1";
        let process = parse_stat(line).unwrap();
        assert_eq!((process.pid, process.parent), (77, 5));
        assert!(parse_stat("77 (a").is_none());
    }

    #[test]
    fn the_wait_of_a_thread_is_the_second_number() {
        assert_eq!(parse_wait("5000 1500 7\n"), Some(Duration::from_nanos(1500)));
        assert_eq!(parse_wait(""), None);
        assert_eq!(workers_wait(std::process::id()).unwrap(), Duration::ZERO, "it has no workers");
    }

    #[test]
    fn a_process_in_the_background_comes_back() {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        // SAFETY: the call takes a number only.
        let policy = |pid: u32| unsafe { libc::sched_getscheduler(pid as libc::pid_t) };
        let background = Scheduled::behind(sleeper.id());
        assert_eq!(policy(sleeper.id()), libc::SCHED_IDLE);
        drop(background);
        assert_eq!(policy(sleeper.id()), libc::SCHED_OTHER);
        sleeper.kill().and_then(|()| sleeper.wait()).unwrap();
    }

    #[test]
    fn threads_of_a_name_go_ahead_and_come_back() {
        // SAFETY: the call takes a number only.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let (answer, answers) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("ahead".to_owned()).spawn(move || {
            while told.recv().is_ok() {
                answer.send(policy()).unwrap();
            }
        });
        let ask = || {
            tell.send(()).unwrap();
            answers.recv().unwrap()
        };
        assert_eq!(ask(), libc::SCHED_OTHER);
        let ahead = Scheduled::ahead(&["ahead"]);
        // Where it is not allowed, nothing changes.
        assert!([libc::SCHED_FIFO, libc::SCHED_OTHER].contains(&ask()));
        assert_eq!(policy(), libc::SCHED_OTHER, "another thread's is its own");
        drop(ahead);
        assert_eq!(ask(), libc::SCHED_OTHER);
        drop(tell);
        thread.unwrap().join().unwrap();
    }

    #[test]
    fn a_process_finds_itself_with_memory_and_a_missing_one_is_an_error() {
        let own = std::process::id();
        assert!(tree_rss_kib(own).unwrap() > 100);
        assert!(tree_cpu_us(u32::MAX).is_err());
    }

    #[test]
    fn the_cpu_time_of_a_process_grows_by_what_it_uses() {
        let own = std::process::id();
        let before = tree_cpu_us(own).unwrap();
        let begun = Instant::now();
        while tree_cpu_us(own).unwrap() < before + 500.0 {
            assert!(begun.elapsed() < Duration::from_secs(10), "no CPU time seen");
        }
    }
}
