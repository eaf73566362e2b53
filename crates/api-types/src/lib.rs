//! What travels between the HTTP API and its clients, as serde types with OpenAPI schemas.
//!
//! One file per resource of the API. Resources of a group's configuration (services, routes, ...) have no types
//! here: their bodies are JSON in the shapes of `model::resource`, whose JSON Schemas the API serves.

pub mod access;
pub mod audit;
pub mod batch;
pub mod envelope;
pub mod group;
pub mod iam;
pub mod instance;
pub mod login_option;
pub mod node_health;
pub mod product;
pub mod system_settings;

pub use access::{
    IssuedToken, Login, Me, NewSecondFactor, OneTimeCode, PasswordChange, SecondFactorProof, Token, TokenSpec,
};
pub use audit::{
    AuditChain, AuditConfig, AuditCredential, AuditHeader, AuditLink, AuditLog, AuditRequest, AuditStream,
    AuditStreamState, AuditSyslog, AuditVerification, AuditWebhook, BrokenAuditRow,
};
pub use batch::{Batch, BatchChange, BatchOperation, BatchResult, ItemError, ValidationBody};
pub use envelope::{ErrorBody, Listing, Valued};
pub use group::{
    AdminKey, CountOf, GatewayGroup, GatewayGroupSpec, GroupCount, GroupStatus, IssuedJoinToken, JoinToken,
    JoinTokenSpec, Revision,
};
pub use iam::{
    AdminKeySpec, AssignedRoles, Boundaries, CanI, Difference, Invitation, IssuedAdminKey, NamedAdminKey,
    PasswordReset, PermissionPolicy, PermissionPolicySpec, PolicyIds, Question, Role, RoleName, RoleSpec, SavedPolicy,
    Session, Simulation, SimulationSpec, User, UserChange,
};
pub use instance::{Instance, Refusal, StatusCount};
pub use login_option::{BuiltInLogin, BuiltInLoginSpec, LdapLogin, LoginOption, LoginOptionSpec, LoginWay, LoginWays};
pub use node_health::{NodeCounter, NodeSeen, ServiceHealth, ServiceNode};
pub use product::{License, Plugin, Status, Version};
pub use system_settings::{IssuedScimToken, ScimSettings, ScimSwitch, ScimToken, ScimTokenSpec};
