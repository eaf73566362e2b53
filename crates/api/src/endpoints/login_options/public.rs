//! `GET /api/login_options/public`

use api_types::{LoginWay, LoginWays, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::envelope::value;
use crate::error::ApiResult;

/// What a login page shows, to everybody: the login options that are enabled, and whether name and password are taken.
#[utoipa::path(get, path = "/api/login_options/public", tag = "login options",
    responses((status = OK, body = Valued<LoginWays>)))]
pub(crate) async fn list_login_ways(State(control): State<Control>) -> ApiResult<Json<Valued<LoginWays>>> {
    let (options, built_in) = control.ways_in().await?;
    let way = |option: control::iam::LoginOption| LoginWay {
        id: option.id,
        name: option.spec.name,
        option_type: option.spec.kind.name().to_owned(),
        logo: option.spec.logo,
    };
    let login_options = options.into_iter().map(way).collect();
    Ok(value(LoginWays { built_in_login: built_in.works(), login_options }))
}
