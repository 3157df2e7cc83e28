//! Where the runs of a worker lie: in places by number, so that a message finds its run without hashing.

/// A place and which of its tenants is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotKey {
    place: u32,
    tenant: u32,
}

#[derive(Debug)]
struct Place<T> {
    tenant: u32,
    value: Option<T>,
}

/// Values by [`SlotKey`]. A key of a value that was taken out finds nothing, whoever moved in since.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a value in.
    pub(crate) fn insert(&mut self, value: T) -> SlotKey {
        if let Some(place) = self.free.pop()
            && let Some(vacant) = self.places.get_mut(place as usize)
        {
            vacant.value = Some(value);
            return SlotKey { place, tenant: vacant.tenant };
        }
        let place = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Place { tenant: 0, value: Some(value) });
        SlotKey { place, tenant: 0 }
    }

    /// The value, if it is still there.
    pub(crate) fn get(&self, key: SlotKey) -> Option<&T> {
        self.places.get(key.place as usize).filter(|place| place.tenant == key.tenant)?.value.as_ref()
    }

    /// The value, if it is still there.
    pub(crate) fn get_mut(&mut self, key: SlotKey) -> Option<&mut T> {
        self.places.get_mut(key.place as usize).filter(|place| place.tenant == key.tenant)?.value.as_mut()
    }

    /// Takes a value out.
    pub(crate) fn remove(&mut self, key: SlotKey) -> Option<T> {
        let place = self.places.get_mut(key.place as usize).filter(|place| place.tenant == key.tenant)?;
        let value = place.value.take()?;
        place.tenant = place.tenant.wrapping_add(1);
        self.free.push(key.place);
        Some(value)
    }

    /// The keys of all values.
    pub(crate) fn keys(&self) -> Vec<SlotKey> {
        let places = (0..).zip(&self.places).filter(|(_, place)| place.value.is_some());
        places.map(|(place, tenancy)| SlotKey { place, tenant: tenancy.tenant }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_does_not_find_the_next_tenant() {
        let mut slab = Slab::default();
        let first = slab.insert("a");
        assert_eq!(slab.remove(first), Some("a"));
        let second = slab.insert("b");

        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut "b"));
        assert_eq!(slab.keys(), [second]);
    }
}
