//! Attempts that were refused, or that failed: recorded, but bounded, for whoever can make them can make a flood.
//!
//! Of equal attempts within a minute the first is a row at once and the others are one row at the minute's end. Rows
//! come from a bucket of their own for strangers and for known actors, so that a flood of strangers hides nobody else;
//! what finds the bucket empty is counted, and the count is recorded.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use model::GroupId;
use store::access::{GroupAccess, SystemReason};
use store::{AuditEntry, Credential, Outcome, RequestContext};

use super::entry;
use crate::control::{Control, Inner};
use crate::iam::Actor;

/// Equal attempts within so many seconds are counted rather than written out.
const WINDOW_SECONDS: i64 = 60;
/// Rows that may come at once.
const BUCKET: i64 = 200;
/// Another row may come every so many seconds: 14,400 a day, and as many counts.
const SECONDS_PER_ROW: i64 = 6;
/// How often counts are looked for that are due.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// Longest text of an attempt that is kept, in characters.
const MAX_CHARACTERS: usize = 512;

/// An attempt that did not end well.
#[derive(Debug, Clone)]
pub struct Attempt<'a> {
    /// Who tried, if that is known.
    pub actor: Option<&'a Actor>,
    /// What was brought instead of a known actor: its kind, and the name that was tried.
    pub credential: Credential,
    /// The request.
    pub request: &'a RequestContext,
    /// What was tried.
    pub action: &'a str,
    /// In which group.
    pub group: Option<GroupId>,
    /// To what kind of thing.
    pub resource_kind: String,
    /// To which.
    pub resource_id: String,
    /// Its name, or what it was in words.
    pub resource_name: String,
    /// Refused or failed.
    pub outcome: Outcome,
    /// Why.
    pub error: &'a str,
}

impl<'a> Attempt<'a> {
    /// A refusal of somebody unknown.
    pub fn refused(request: &'a RequestContext, action: &'a str, error: &'a str) -> Self {
        Self {
            actor: None,
            credential: Credential::default(),
            request,
            action,
            group: None,
            resource_kind: String::new(),
            resource_id: String::new(),
            resource_name: String::new(),
            outcome: Outcome::Refused,
            error,
        }
    }

    fn entry(self) -> AuditEntry {
        let known = self.actor.map(|actor| AuditEntry::from(entry(actor, "")));
        let stranger = || AuditEntry {
            actor: "anonymous".to_owned(),
            credential: self.credential.clone(),
            ..AuditEntry::default()
        };
        let mut entry = AuditEntry {
            request: self.request.clone(),
            action: self.action.to_owned(),
            group: self.group,
            resource_kind: self.resource_kind,
            resource_id: self.resource_id,
            resource_name: self.resource_name,
            outcome: self.outcome,
            error: self.error.to_owned(),
            ..known.unwrap_or_else(stranger)
        };
        clean(&mut entry);
        entry
    }
}

/// What comes from a stranger is cut, and rid of what a text column or a terminal does not take.
fn clean(entry: &mut AuditEntry) {
    let (credential, request) = (&mut entry.credential, &mut entry.request);
    let texts = [
        &mut credential.name,
        &mut request.id,
        &mut request.user_agent,
        &mut request.method,
        &mut request.path,
        &mut entry.resource_kind,
        &mut entry.resource_id,
        &mut entry.resource_name,
        &mut entry.error,
    ];
    for text in texts {
        *text = text.chars().filter(|character| !character.is_control()).take(MAX_CHARACTERS).collect();
    }
}

impl Control {
    /// Records an attempt. When the store cannot take it, the log of the process has it; the attempt is refused all the same.
    pub async fn note_attempt(&self, attempt: Attempt<'_>) {
        let mut entry = attempt.entry();
        if let Some(group) = entry.group.take() {
            // A name that is no group's must not begin a chain of its own.
            let access = GroupAccess::system(group.clone(), SystemReason::Audit);
            let exists = self.within(self.inner.store.groups().get(&access)).await.is_ok();
            entry.group = exists.then_some(group);
        }
        let noted = self.inner.refusals.note(&entry, self.now());
        if noted {
            self.record_or_log(&entry).await;
        }
    }

    /// Records what was counted in minutes that ended by `now`, in unix seconds.
    pub(crate) async fn flush_refusals(&self, now: i64) {
        for entry in self.inner.refusals.due(now) {
            self.record_or_log(&entry).await;
        }
    }

    async fn record_or_log(&self, entry: &AuditEntry) {
        if let Err(error) = self.within(self.inner.store.audit().record(entry)).await {
            let AuditEntry { actor, action, resource_name, .. } = entry;
            let (name, address) = (&entry.credential.name, &entry.request.address);
            tracing::error!(%error, %actor, %action, %resource_name, %name, %address, "an attempt could not be recorded");
        }
    }
}

/// Flushes as long as the control plane is there.
pub(crate) async fn flush_now_and_then(inner: Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        let control = Control { inner };
        control.flush_refusals(control.now()).await;
        drop(control);
        tokio::time::sleep(FLUSH_EVERY).await;
    }
}

/// The attempts of this minute.
#[derive(Default)]
pub(crate) struct Refusals {
    strangers: Mutex<Window>,
    known: Mutex<Window>,
}

impl Refusals {
    /// Takes an attempt up; whether it is to be a row now.
    fn note(&self, entry: &AuditEntry, now: i64) -> bool {
        let window = if entry.actor == "anonymous" { &self.strangers } else { &self.known };
        locked(window).note(entry, now)
    }

    /// The rows for what was counted.
    fn due(&self, now: i64) -> Vec<AuditEntry> {
        [&self.strangers, &self.known].into_iter().flat_map(|window| locked(window).due(now)).collect()
    }
}

fn locked(window: &Mutex<Window>) -> MutexGuard<'_, Window> {
    window.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Window {
    counted: HashMap<Key, Counted>,
    dropped: u64,
    dropped_since: i64,
    /// Rows that may come now.
    allowance: Option<i64>,
    refilled_at: i64,
}

/// What makes two attempts equal.
#[derive(PartialEq, Eq, Hash)]
struct Key([String; 8]);

struct Counted {
    entry: AuditEntry,
    since: i64,
    more: u64,
}

impl Window {
    fn note(&mut self, entry: &AuditEntry, now: i64) -> bool {
        if let Some(counted) = self.counted.get_mut(&Key::of(entry)) {
            counted.more += 1;
            return false;
        }
        if !self.may_write(now) {
            self.dropped_since = if self.dropped == 0 { now } else { self.dropped_since };
            self.dropped += 1;
            return false;
        }
        self.counted.insert(Key::of(entry), Counted { entry: entry.clone(), since: now, more: 0 });
        true
    }

    fn may_write(&mut self, now: i64) -> bool {
        let allowance = self.allowance.get_or_insert(BUCKET);
        let earned = now.saturating_sub(self.refilled_at).max(0) / SECONDS_PER_ROW;
        if earned > 0 {
            *allowance = allowance.saturating_add(earned).min(BUCKET);
            self.refilled_at = now;
        }
        let may = *allowance > 0;
        *allowance -= i64::from(may);
        may
    }

    fn due(&mut self, now: i64) -> Vec<AuditEntry> {
        let over = |since: i64| now.saturating_sub(since) >= WINDOW_SECONDS;
        let ended = self.counted.extract_if(|_, counted| over(counted.since)).map(|(_, counted)| counted);
        let repeated = ended.filter(|counted| counted.more > 0);
        let mut due: Vec<AuditEntry> =
            repeated.map(|counted| AuditEntry { repeats: counted.more - 1, ..counted.entry }).collect();
        if self.dropped > 0 && over(self.dropped_since) {
            due.push(dropped(std::mem::take(&mut self.dropped)));
        }
        due
    }
}

impl Key {
    fn of(entry: &AuditEntry) -> Self {
        let texts = [
            &entry.actor,
            &entry.credential.kind,
            &entry.credential.name,
            &entry.action,
            &entry.resource_id,
            &entry.resource_name,
            &entry.request.address,
            &entry.request.source,
        ];
        Self(texts.map(Clone::clone))
    }
}

fn dropped(count: u64) -> AuditEntry {
    AuditEntry {
        outcome: Outcome::Refused,
        error: "further attempts were too many to be recorded one by one".to_owned(),
        repeats: count - 1,
        ..entry(&Actor::system(), "AttemptsNotRecorded").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(name: &str) -> AuditEntry {
        let credential = Credential { kind: "password".into(), name: name.into(), ..Credential::default() };
        let request = RequestContext::default();
        Attempt { credential, ..Attempt::refused(&request, "Login", "wrong") }.entry()
    }

    #[test]
    fn equal_attempts_are_two_rows_a_minute() {
        let refusals = Refusals::default();
        let written: Vec<bool> = (0..5).map(|n| refusals.note(&attempt("kim"), 100 + n)).collect();
        assert_eq!(written, [true, false, false, false, false]);
        assert!(refusals.note(&attempt("lee"), 104), "another name");
        assert!(refusals.due(159).is_empty());
        let due = refusals.due(160);
        assert_eq!((due.len(), due[0].repeats, due[0].credential.name.as_str()), (1, 3, "kim"));
        assert!(refusals.note(&attempt("kim"), 161), "the next minute");
    }

    #[test]
    fn a_flood_is_counted_and_known_actors_have_a_bucket_of_their_own() {
        let refusals = Refusals::default();
        let written = (0..10_000).filter(|n| refusals.note(&attempt(&n.to_string()), 100)).count() as i64;
        assert_eq!(written, BUCKET);
        assert!(refusals.note(&AuditEntry { actor: "user:kim".into(), ..attempt("x") }, 100));
        let due = refusals.due(160);
        assert_eq!((due.len(), due[0].action.as_str(), due[0].repeats), (1, "AttemptsNotRecorded", 10_000 - 200 - 1));
        let later = (0..100).filter(|n| refusals.note(&attempt(&format!("later {n}")), 160)).count() as i64;
        assert_eq!(later, 60 / SECONDS_PER_ROW);
        assert!(locked(&refusals.strangers).counted.len() <= BUCKET as usize);
    }

    #[test]
    fn a_name_is_cut_and_cleaned() {
        let entry = attempt(&format!("a\u{0}\n{}", "b".repeat(5000)));
        assert_eq!(entry.credential.name.len(), MAX_CHARACTERS);
        assert!(entry.credential.name.starts_with("ab"));
    }
}
