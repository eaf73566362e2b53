//! `flotilla can-i`: may I, and why.

use anyhow::bail;
use api_types::CanI as Asked;
use clap::Args;
use serde_json::Value;

use crate::client_settings::ClientArguments;

/// Explain whether you, or another user, may do something: which statement of which policy decides, through which role,
/// or what is missing. Ends with status 1 when it is refused.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  flotilla can-i gateway:UpdatePublishedService --group payment-test --service orders --user ann")]
pub(crate) struct CanI {
    #[command(flatten)]
    client: ClientArguments,
    /// The action: gateway:UpdatePublishedService.
    action: String,
    /// The resource: an ARN, or a group by name with --group.
    resource: Option<String>,
    /// Gateway group by name.
    #[arg(long, short, conflicts_with = "resource")]
    group: Option<String>,
    /// Service of the group, by id.
    #[arg(long, requires = "group")]
    service: Option<String>,
    /// Consumer of the group, by user name.
    #[arg(long, requires = "group", conflicts_with = "service")]
    consumer: Option<String>,
    /// Ask about this user instead of yourself.
    #[arg(long)]
    user: Option<String>,
}

impl CanI {
    /// Asks and tells.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let api = self.client.client()?;
        let user = match &self.user {
            Some(name) => Some(api.user_by_name(name).await?.id),
            None => None,
        };
        let resource = self.resource(&api).await?;
        let answer = api.can_i(&Asked { action: self.action.clone(), resource, user }).await?;
        self.client.output.one(&answer, told)?;
        if answer["allowed"] == true { Ok(()) } else { bail!("refused") }
    }

    async fn resource(&self, api: &client::Client) -> anyhow::Result<String> {
        let Some(name) = &self.group else {
            let Some(resource) = &self.resource else { bail!("on what? Give an ARN, or --group NAME") };
            return Ok(resource.clone());
        };
        // Whoever may not see the group may still ask about it by its id.
        let id = api.group_by_name(name).await.map(|group| group.id).unwrap_or_else(|_| name.clone());
        let group = format!("arn:api7:gateway:gatewaygroup/{id}");
        Ok(match (&self.service, &self.consumer) {
            (Some(service), _) => format!("{group}/publishedservice/{service}"),
            (None, Some(consumer)) => format!("{group}/consumer/{consumer}"),
            (None, None) => group,
        })
    }
}

fn told(answer: &Value) -> String {
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let verdict = if answer["allowed"] == true { "allowed" } else { "refused" };
    let mut lines = vec![verdict.to_owned()];
    lines.extend(list("decided_by").iter().map(|statement| format!("  by {}", statement_text(statement))));
    lines.extend(list("missing").iter().flat_map(missing));
    lines.join("\n")
}

fn statement_text(statement: &Value) -> String {
    let text = |pointer: &str| statement.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let via = match text("/via/type").as_str() {
        "role" => format!("role {:?}", text("/via/name")),
        _ => text("/via/name"),
    };
    format!(
        "{} in statement {} of policy {:?}, through {via}",
        text("/effect"),
        statement["statement"],
        text("/policy_name")
    )
}

/// What stands in the way, and what came close.
fn missing(one: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(cap) = one.get("cap").and_then(Value::as_str) {
        lines.push(format!("  {cap} does not allow it"));
    } else if one.get("near_misses").is_some() {
        lines.push("  no role allows it".to_owned());
    } else if let Some(reason) = one.get("reason").and_then(Value::as_str) {
        let why = if reason == "inactive" { "the user is not active" } else { "a password must be chosen first" };
        lines.push(format!("  {why}"));
    }
    for miss in one["near_misses"].as_array().into_iter().flatten() {
        lines.push(format!("  close: {}: {}", statement_text(&miss["statement"]), shortfall(&miss["shortfall"])));
    }
    lines
}

fn shortfall(shortfall: &Value) -> String {
    let texts = |name: &str| {
        let list = shortfall[name].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    if let Some(failed) = shortfall.get("failed").and_then(Value::as_array) {
        let each = failed.iter().map(|condition| {
            let text = |name: &str| condition[name].as_str().unwrap_or("nothing").to_owned();
            let found = if condition["hidden"] == true { "hidden from you".to_owned() } else { text("found") };
            format!("label {} is {found}, not {} {}", text("label"), text("operator"), text("wanted"))
        });
        return each.collect::<Vec<_>>().join("; ");
    }
    match texts("resources").as_str() {
        "" => format!("it is about other actions: {}", texts("actions")),
        resources => format!("it is about other resources: {resources}"),
    }
}
