//! What plugins keep for one request from phase to phase: an encoder, a permit, a time.

use std::any::Any;

use smallvec::SmallVec;

/// State of compiled plugins, each its own: a global rule and a route may both run `gzip` on one request.
#[derive(Default)]
pub struct Kept(SmallVec<[(usize, Box<dyn Any>); 1]>);

impl Kept {
    /// Keeps `value` for `plugin`, in the place of what it kept before.
    pub fn put<P, T: 'static>(&mut self, plugin: &P, value: T) {
        let owner = address(plugin);
        self.0.retain(|(other, _)| *other != owner);
        self.0.push((owner, Box::new(value)));
    }

    /// What `plugin` keeps.
    pub fn get_mut<P, T: 'static>(&mut self, plugin: &P) -> Option<&mut T> {
        let owner = address(plugin);
        let (_, value) = self.0.iter_mut().find(|(other, _)| *other == owner)?;
        value.downcast_mut()
    }

    /// Takes what `plugin` keeps.
    pub fn take<P, T: 'static>(&mut self, plugin: &P) -> Option<T> {
        let owner = address(plugin);
        let at = self.0.iter().position(|(other, value)| *other == owner && value.is::<T>())?;
        self.0.swap_remove(at).1.downcast().ok().map(|value| *value)
    }
}

/// A compiled plugin lives as long as the requests that run it, so its address names it.
fn address<P>(plugin: &P) -> usize {
    std::ptr::from_ref(plugin) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plugin_has_its_own() {
        let (one, other) = ([1u8], [2u8]);
        let mut kept = Kept::default();
        kept.put(&one, 5u32);
        kept.put(&other, String::from("x"));
        kept.put(&one, 6u32);
        assert_eq!(kept.get_mut::<_, u32>(&one), Some(&mut 6));
        assert_eq!(kept.get_mut::<_, u32>(&other), None, "of another type");
        assert_eq!(kept.take::<_, String>(&other).as_deref(), Some("x"));
        assert_eq!(kept.take::<_, String>(&other), None);
    }
}
