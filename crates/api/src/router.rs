//! Every endpoint of the API.

use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Extension, Router, middleware};
use control::Control;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tokio_util::task::TaskTracker;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::attempt::Surface;
use crate::client_address::TrustedProxies;
use crate::edge::{self, Edge};
use crate::endpoints::{
    admin_keys, audit_logs, gateway_groups, instances, join_tokens, ldap, license, login_options, me, oidc, password,
    permission_policies, plugins, resources, roles, schema, scim, second_factor, services, session, status,
    system_settings, tokens, users, version,
};
use crate::error::ApiError;
use crate::pace::Pace;
use crate::scim::ScimError;
use crate::serve::ApiSettings;
use crate::sign_on::Clients;
use crate::{docs, openapi};

/// The whole API, ready to serve.
pub(crate) fn build(settings: &ApiSettings, control: Control, tasks: TaskTracker) -> Router {
    let (router, document) = endpoints().split_for_parts();
    let surface = Surface::Api;
    let pace = Pace::of(settings.requests_per_second);
    let proxies = TrustedProxies::new(&settings.trusted_proxies);
    let edge = Edge { deadline: settings.request_deadline, tasks, control: control.clone(), surface, pace, proxies };
    router
        .route("/apisix/admin/{kind}/{id}/{child}", collection())
        .route("/apisix/admin/{kind}/{id}/{child}/{child_id}", single())
        .route("/openapi.json", document_route(&document))
        .merge(docs::router())
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(Clients::default()))
        .layer(DefaultBodyLimit::max(settings.body_limit_bytes))
        .layer(middleware::from_fn_with_state(edge, edge::guard))
        .with_state(control)
}

/// The OpenAPI document of this build, as `GET /openapi.json` answers it.
pub fn openapi_document() -> serde_json::Value {
    openapi::written_out(&endpoints().into_openapi())
}

fn endpoints() -> OpenApiRouter<Control> {
    access()
        .merge(audit())
        .merge(sign_on())
        .merge(members())
        .merge(permissions())
        .merge(provisioning())
        .merge(product())
        .merge(groups())
        .merge(fleet())
        .merge(services())
        .merge(configuration())
}

fn access() -> OpenApiRouter<Control> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(session::login::login))
        .routes(routes!(session::logout::logout))
        .routes(routes!(me::get::get_me))
        .routes(routes!(
            second_factor::begin::begin_second_factor,
            second_factor::confirm::confirm_second_factor,
            second_factor::remove::remove_second_factor
        ))
        .routes(routes!(password::put::put_password))
        .routes(routes!(tokens::list::list_tokens, tokens::create::create_token))
        .routes(routes!(tokens::delete::delete_token))
        .routes(routes!(tokens::regenerate::regenerate_token))
}

fn audit() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(audit_logs::list::list_audit_logs))
        .routes(routes!(audit_logs::event_types::list_audit_event_types))
        .routes(routes!(audit_logs::export::export_audit_logs))
        .routes(routes!(audit_logs::verify::verify_audit_logs))
        .routes(routes!(audit_logs::get_config::get_audit_config, audit_logs::put_config::put_audit_config))
}

fn sign_on() -> OpenApiRouter<Control> {
    use system_settings::{get_built_in_login, put_built_in_login};
    OpenApiRouter::new()
        .routes(routes!(login_options::list::list_login_options, login_options::create::create_login_option))
        .routes(routes!(login_options::public::list_login_ways))
        .routes(routes!(
            login_options::get::get_login_option,
            login_options::update::update_login_option,
            login_options::delete::delete_login_option
        ))
        .routes(routes!(oidc::login::begin_oidc_login))
        .routes(routes!(oidc::callback::finish_oidc_login))
        .routes(routes!(ldap::login::ldap_login))
        .routes(routes!(get_built_in_login::get_built_in_login, put_built_in_login::put_built_in_login))
}

fn members() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(users::invite::invite_user))
        .routes(routes!(users::list::list_users))
        .routes(routes!(users::get::get_user, users::update::update_user, users::delete::delete_user))
        .routes(routes!(users::assign_roles::assign_roles))
        .routes(routes!(users::boundaries::get_boundaries, users::set_boundaries::set_boundaries))
        .routes(routes!(users::reset_password::reset_password))
        .routes(routes!(users::remove_second_factor::remove_second_factor_of_user))
        .routes(routes!(users::sessions::list_sessions))
        .routes(routes!(users::end_session::end_session))
}

fn permissions() -> OpenApiRouter<Control> {
    use permission_policies as policies;
    OpenApiRouter::new()
        .routes(routes!(roles::list::list_roles, roles::create::create_role))
        .routes(routes!(roles::get::get_role, roles::update::update_role, roles::delete::delete_role))
        .routes(routes!(roles::policies::list_policies_of_role))
        .routes(routes!(roles::attach::attach_permission_policies))
        .routes(routes!(roles::detach::detach_permission_policies))
        .routes(routes!(policies::list::list_permission_policies, policies::create::create_permission_policy))
        .routes(routes!(
            policies::get::get_permission_policy,
            policies::update::update_permission_policy,
            policies::delete::delete_permission_policy
        ))
        .routes(routes!(policies::simulate::simulate_policy))
        .routes(routes!(policies::can_i::can_i))
}

fn provisioning() -> OpenApiRouter<Control> {
    use scim::{discovery, groups, users};
    OpenApiRouter::new()
        .routes(routes!(system_settings::get_scim::get_scim_settings, system_settings::put_scim::put_scim_settings))
        .routes(routes!(system_settings::make_scim_token::make_scim_token))
        .routes(routes!(discovery::get_service_provider_config))
        .routes(routes!(discovery::list_resource_types))
        .routes(routes!(discovery::get_resource_type))
        .routes(routes!(discovery::list_schemas))
        .routes(routes!(discovery::get_schema))
        .routes(routes!(users::list::list_scim_users, users::create::create_scim_user))
        .routes(routes!(
            users::get::get_scim_user,
            users::replace::replace_scim_user,
            users::patch::patch_scim_user,
            users::delete::delete_scim_user
        ))
        .routes(routes!(groups::list::list_scim_groups, groups::create::create_scim_group))
        .routes(routes!(
            groups::get::get_scim_group,
            groups::replace::replace_scim_group,
            groups::patch::patch_scim_group,
            groups::delete::delete_scim_group
        ))
}

fn product() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(version::get::get_version))
        .routes(routes!(status::get::get_status))
        .routes(routes!(license::get::get_license, license::put::put_license))
        .routes(routes!(schema::core::get_core_schema))
        .routes(routes!(plugins::list::list_plugins))
        .routes(routes!(plugins::names::list_plugin_names))
        .routes(routes!(plugins::schema::get_plugin_schema))
}

fn groups() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(gateway_groups::list::list_gateway_groups, gateway_groups::create::create_gateway_group))
        .routes(routes!(
            gateway_groups::get::get_gateway_group,
            gateway_groups::update::update_gateway_group,
            gateway_groups::delete::delete_gateway_group
        ))
        .routes(routes!(gateway_groups::count::count_by_gateway_group))
        .routes(routes!(gateway_groups::status::get_gateway_group_status))
        .routes(routes!(gateway_groups::permitted_users::list_permitted_users))
        .routes(routes!(gateway_groups::get_admin_key::get_admin_key, gateway_groups::put_admin_key::put_admin_key))
        .routes(routes!(admin_keys::list::list_admin_keys, admin_keys::create::create_admin_key))
        .routes(routes!(admin_keys::delete::delete_admin_key))
        .routes(routes!(gateway_groups::batch::apply_batch))
        .routes(routes!(gateway_groups::revisions::list_revisions))
}

fn fleet() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(join_tokens::create::create_join_token))
        .routes(routes!(join_tokens::list::list_join_tokens))
        .routes(routes!(join_tokens::revoke::revoke_join_token))
        .routes(routes!(instances::list::list_instances))
        .routes(routes!(instances::count_by_status::count_instances_by_status))
        .routes(routes!(instances::list_of_group::list_instances_of_group))
        .routes(routes!(instances::get::get_instance, instances::revoke::revoke_instance))
}

fn services() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(services::health::get_service_health))
        .routes(routes!(services::routes::list_routes_of_service))
        .routes(routes!(services::stream_routes::list_stream_routes_of_service))
}

/// All kinds of resource; those below a parent take the same handlers, see [`build`].
fn configuration() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(resources::validate::validate_configuration))
        .routes(routes!(resources::list::list_resource, resources::create::create_resource))
        .routes(routes!(
            resources::get::get_resource,
            resources::put::put_resource,
            resources::patch::patch_resource,
            resources::delete::delete_resource
        ))
}

fn collection() -> MethodRouter<Control> {
    get(resources::list::list_resource).post(resources::create::create_resource)
}

fn single() -> MethodRouter<Control> {
    get(resources::get::get_resource)
        .put(resources::put::put_resource)
        .patch(resources::patch::patch_resource)
        .delete(resources::delete::delete_resource)
}

fn document_route(document: &OpenApi) -> MethodRouter<Control> {
    let text = bytes::Bytes::from(openapi::written_out(document).to_string());
    let json = HeaderValue::from_static("application/json");
    get(move || async move { ([(header::CONTENT_TYPE, json)], text) })
}

async fn nothing_here(uri: Uri) -> Response {
    let message = format!("there is nothing under {}; see /docs", uri.path());
    match uri.path().starts_with(crate::scim::ROOT) {
        true => ScimError::new(StatusCode::NOT_FOUND.as_u16(), message).into_response(),
        false => ApiError::not_found(message).into_response(),
    }
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not take {method}; see /docs", uri.path());
    match uri.path().starts_with(crate::scim::ROOT) {
        true => ScimError::new(StatusCode::METHOD_NOT_ALLOWED.as_u16(), message).into_response(),
        false => ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message).into_response(),
    }
}
