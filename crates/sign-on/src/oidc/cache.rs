//! What is kept of the provider's documents, for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// One document, with the moment at which it came.
#[derive(Debug)]
pub(super) struct Cache<T>(Mutex<Option<Kept<T>>>);

/// A document and its age.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) document: Arc<T>,
    came: SystemTime,
}

impl<T> Cache<T> {
    pub(super) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    /// The document, unless it is older than `age_max`.
    pub(super) fn get(&self, age_max: Duration, now: SystemTime) -> Option<Kept<T>> {
        let slot = self.slot();
        let kept = slot.as_ref().filter(|kept| kept.is_within(age_max, now))?;
        Some(Kept { document: kept.document.clone(), came: kept.came })
    }

    /// Keeps a document in place of the one before.
    pub(super) fn put(&self, document: T, now: SystemTime) -> Arc<T> {
        let document = Arc::new(document);
        *self.slot() = Some(Kept { document: document.clone(), came: now });
        document
    }

    fn slot(&self) -> MutexGuard<'_, Option<Kept<T>>> {
        // Nothing that holds the lock can leave the slot half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    /// A clock that was set back makes a document old, not young.
    pub(super) fn is_within(&self, age: Duration, now: SystemTime) -> bool {
        now.duration_since(self.came).is_ok_and(|past| past < age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_age() {
        let (cache, start, minute) = (Cache::empty(), SystemTime::UNIX_EPOCH, Duration::from_secs(60));
        assert!(cache.get(minute, start).is_none());
        cache.put("first", start);
        assert_eq!(*cache.get(minute, start + minute / 2).expect("kept").document, "first");
        assert!(cache.get(minute, start + minute).is_none());
        assert!(cache.get(minute, start - minute).is_none());
        cache.put("second", start + minute);
        assert_eq!(*cache.get(minute, start + minute).expect("kept").document, "second");
    }
}
