//! A typed client of the HTTP API, for the command line and for tests.
//!
//! [`Client::new`] says where and whom to trust; then one method for each thing to do, in one file per resource.

mod audit;
mod client;
mod error;
mod groups;
mod iam;
mod instances;
mod login_options;
mod resources;
mod services;
mod session;
mod system_settings;
mod trust;

pub use api_types;

pub use audit::{AuditFilter, Export, ExportFormat};
pub use client::{Client, Key, Settings};
pub use error::{ClientError, ClientResult};
pub use instances::InstanceFilter;
pub use resources::ResourcePath;
pub use trust::{Fingerprint, Trust, TrustError};
