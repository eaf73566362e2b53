//! The use cases of the control plane: the only writer of configuration. No sockets.
//!
//! [`Control`] is the handle; its methods stand in the module of their subject:
//! [`groups`], [`configuration`] (write, batch, patch, validate, read), [`fleet`] (join tokens, certificates,
//! instances), [`feed`] (what the config channel reads), [`iam`] (who calls, and what they may do),
//! [`audit`]. `bootstrap` is the first start; [`authority`] and `signer` hold the two keys of the control plane.

pub mod audit;
pub mod authority;
mod bootstrap;
pub mod clock;
pub mod configuration;
mod control;
pub mod error;
pub mod feed;
pub mod fleet;
pub mod groups;
pub mod iam;
mod names;
mod secret;
pub mod settings;
mod signer;

pub use bootstrap::{FirstAdmin, Started};
pub use clock::{Clock, SystemClock};
pub use control::Control;
pub use error::{ControlError, ItemFault};
pub use settings::ControlSettings;
