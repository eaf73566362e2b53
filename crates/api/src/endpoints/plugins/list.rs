//! `GET /api/plugins`

use api_types::{Listing, Plugin};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::listing;

/// All plugins, the earliest in a phase first.
#[utoipa::path(get, path = "/api/plugins", tag = "schemas", responses((status = OK, body = Listing<Plugin>)))]
pub(crate) async fn list_plugins(_caller: Caller, State(control): State<Control>) -> Json<Listing<Plugin>> {
    let all = control.plugins().by_priority();
    listing(all.into_iter().map(shown).collect())
}

fn shown(plugin: &dyn plugin_api::PluginType) -> Plugin {
    Plugin {
        name: plugin.name().to_owned(),
        priority: plugin.priority().into(),
        plugin_type: plugin.is_authentication().then(|| "auth".to_owned()),
    }
}
