//! The contract of the ports.

use crate::fixture::Fixture;

turbocat_testkit::store_contract!(Fixture::new());
