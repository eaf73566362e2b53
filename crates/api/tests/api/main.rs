//! The API through real sockets, on a control plane with its own SQLite. The files mirror the paths of the API.

mod access;
mod adc;
mod apisix_admin;
mod apisix_admin_permissions;
mod apisix_admin_requests;
mod audit_logs;
mod audit_stream;
mod batch;
mod endpoints;
mod faults;
mod fixture;
mod gateway_groups;
mod https;
mod instances;
mod openapi;
mod people;
mod permissions;
mod plugins;
mod resources;
mod scim;
mod services;
mod sign_on;
mod validate;
