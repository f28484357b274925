#![doc = "[locks]: locks\n[waiting]: waiting\n[values]: values\n[channels]: channels\n[testing]: testing\n"]
#![doc = include_str!("../docs/recipes.md")]

// What the links name.
#[allow(unused_imports)]
use crate::*;

#[doc = include_str!("../docs/recipes/locks.md")]
pub mod locks {}

#[doc = include_str!("../docs/recipes/waiting.md")]
pub mod waiting {}

#[doc = include_str!("../docs/recipes/values.md")]
pub mod values {}

#[cfg_attr(feature = "crossbeam-channel", doc = include_str!("../docs/recipes/channels.md"))]
#[cfg_attr(not(feature = "crossbeam-channel"), doc = "These recipes need the feature `crossbeam-channel`.")]
pub mod channels {}

#[doc = include_str!("../docs/recipes/testing.md")]
pub mod testing {}
