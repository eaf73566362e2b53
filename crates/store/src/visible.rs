//! What of a list its reader may see, as SQL: lists are filtered where they are read, so that pages and totals are right.

use model::Kind;
use model::policy::{ConditionKey, LabelValue, Predicate, Scope};

use crate::db::label_table::{self, LabelTable};
use crate::db::{Arg, Select, is_storable};

/// How policies see the rows of a list under the alias `t`.
pub(crate) struct Rows {
    /// The id at the end of a row's ARN; never NULL.
    id: &'static str,
    /// The row's ARN; never NULL.
    arn: &'static str,
    /// Where its labels stand, by condition key.
    labels: &'static [(ConditionKey, LabelTable)],
}

/// Gateway groups.
pub(crate) const GROUPS: Rows = Rows {
    id: "t.id",
    arn: "'arn:api7:gateway:gatewaygroup/' || t.id",
    labels: &[(ConditionKey::GatewayGroupLabel, label_table::OF_GROUPS)],
};

/// What belongs to a gateway group and is seen by its ARN.
pub(crate) const OF_GROUPS: Rows = Rows {
    id: "t.group_id",
    arn: "'arn:api7:gateway:gatewaygroup/' || t.group_id",
    labels: &[(ConditionKey::GatewayGroupLabel, label_table::OF_THEIR_GROUPS)],
};

/// Users.
pub(crate) const USERS: Rows = Rows {
    id: "t.id",
    arn: "'arn:api7:iam:user/' || t.id",
    labels: &[(ConditionKey::UserLabel, label_table::OF_USERS)],
};

/// Roles.
pub(crate) const ROLES: Rows = Rows {
    id: "t.id",
    arn: "'arn:api7:iam:role/' || t.id",
    labels: &[(ConditionKey::RoleLabel, label_table::OF_ROLES)],
};

/// Permission policies.
pub(crate) const POLICIES: Rows = Rows {
    id: "t.id",
    arn: "'arn:api7:iam:permissionpolicy/' || t.id",
    labels: &[(ConditionKey::PermissionPolicyLabel, label_table::OF_POLICIES)],
};

const SERVICES: Rows = Rows {
    id: "t.id",
    arn: "'arn:api7:gateway:gatewaygroup/' || t.group_id || '/publishedservice/' || t.id",
    labels: &[(
        ConditionKey::ServiceLabel,
        LabelTable::Joined("resource_labels AS l WHERE l.group_id = t.group_id AND l.path = 'service//' || t.id"),
    )],
};

/// What stands without a service has the service `*`.
const OF_SERVICES: Rows = Rows {
    id: "COALESCE(t.service_id, '*')",
    arn: "'arn:api7:gateway:gatewaygroup/' || t.group_id || '/publishedservice/' || COALESCE(t.service_id, '*')",
    labels: &[(
        ConditionKey::ServiceLabel,
        LabelTable::Joined(
            "resource_labels AS l WHERE l.group_id = t.group_id AND l.path = 'service//' || t.service_id",
        ),
    )],
};

const BELOW_SERVICES: Rows = Rows {
    id: "COALESCE(NULLIF(t.parent, ''), '*')",
    arn: "'arn:api7:gateway:gatewaygroup/' || t.group_id || '/publishedservice/' || COALESCE(NULLIF(t.parent, ''), '*')",
    labels: &[(
        ConditionKey::ServiceLabel,
        LabelTable::Joined("resource_labels AS l WHERE l.group_id = t.group_id AND l.path = 'service//' || t.parent"),
    )],
};

const CONSUMERS: Rows = Rows {
    id: "t.id",
    arn: "'arn:api7:gateway:gatewaygroup/' || t.group_id || '/consumer/' || t.id",
    labels: &[(
        ConditionKey::ConsumerLabel,
        LabelTable::Joined("resource_labels AS l WHERE l.group_id = t.group_id AND l.path = 'consumer//' || t.id"),
    )],
};

const BELOW_CONSUMERS: Rows = Rows {
    id: "COALESCE(NULLIF(t.parent, ''), '*')",
    arn: "'arn:api7:gateway:gatewaygroup/' || t.group_id || '/consumer/' || COALESCE(NULLIF(t.parent, ''), '*')",
    labels: &[(
        ConditionKey::ConsumerLabel,
        LabelTable::Joined("resource_labels AS l WHERE l.group_id = t.group_id AND l.path = 'consumer//' || t.parent"),
    )],
};

const CERTIFICATES: Rows = Rows {
    labels: &[(
        ConditionKey::CertificateLabel,
        LabelTable::Joined("resource_labels AS l WHERE l.group_id = t.group_id AND l.path = t.path"),
    )],
    ..OF_GROUPS
};

/// The resources of a kind.
pub(crate) fn resources(kind: Kind) -> &'static Rows {
    match kind {
        Kind::Service => &SERVICES,
        Kind::Route | Kind::StreamRoute => &OF_SERVICES,
        Kind::Upstream | Kind::PluginConfig | Kind::Proto => &BELOW_SERVICES,
        Kind::Consumer => &CONSUMERS,
        Kind::Credential | Kind::ConsumerGroup => &BELOW_CONSUMERS,
        Kind::Ssl => &CERTIFICATES,
        Kind::GlobalRule | Kind::PluginMetadata | Kind::Secret => &OF_GROUPS,
    }
}

impl Select {
    /// Keeps the rows that are in the scope.
    pub(crate) fn and_visible(&mut self, rows: &Rows, scope: &Scope) -> &mut Self {
        match scope {
            Scope::Everything => self,
            Scope::Nothing => self.and("1 = 0", Vec::new()),
            Scope::Where(predicate) => {
                let (mut text, mut args) = (String::new(), Vec::new());
                write(rows, predicate, &mut text, &mut args);
                self.and(&text, args)
            }
        }
    }
}

/// Writes a predicate with `?` for each argument.
fn write(rows: &Rows, predicate: &Predicate, text: &mut String, args: &mut Vec<Arg>) {
    match predicate {
        Predicate::All(parts) => write_joined(rows, parts, " AND ", text, args),
        Predicate::Any(parts) => write_joined(rows, parts, " OR ", text, args),
        Predicate::Not(part) => {
            text.push_str("NOT (");
            write(rows, part, text, args);
            text.push(')');
        }
        Predicate::IdIn(ids) => write_in(rows.id, ids, text, args),
        Predicate::IdStartsWith(prefix) => write_prefix(rows.id, prefix, text, args),
        Predicate::ArnIn { values, .. } => write_in(rows.arn, values, text, args),
        Predicate::ArnStartsWith { prefix, .. } => write_prefix(rows.arn, prefix, text, args),
        Predicate::IdMatches(regex) => write_matches(rows.id, regex, text, args),
        Predicate::ArnMatches { regex, .. } => write_matches(rows.arn, regex, text, args),
        Predicate::Label { key, label, value } => write_label(rows, *key, label, value, text, args),
        Predicate::BoundedBy(policies) => write_boundaries(policies, text, args),
    }
}

/// In pairs of pairs, since SQLite bounds the depth of an expression.
fn write_joined(rows: &Rows, parts: &[Predicate], by: &str, text: &mut String, args: &mut Vec<Arg>) {
    match parts {
        [] => text.push_str("1 = 0"),
        [part] => write(rows, part, text, args),
        parts => {
            let (left, right) = parts.split_at(parts.len() / 2);
            text.push('(');
            write_joined(rows, left, by, text, args);
            text.push_str(by);
            write_joined(rows, right, by, text, args);
            text.push(')');
        }
    }
}

/// One value is compared, more are sent together: both databases bound the number of arguments.
fn write_in(what: &str, values: &[String], text: &mut String, args: &mut Vec<Arg>) {
    let values: Vec<&String> = values.iter().filter(|value| is_storable(value)).collect();
    match values[..] {
        [] => text.push_str("1 = 0"),
        [value] => {
            text.push_str(&format!("{what} = ?"));
            args.push(value.into());
        }
        _ => {
            text.push_str(&format!("{what} IN (SELECT e.key FROM json_each(?) AS e)"));
            args.push(Arg::Keys(values.into_iter().cloned().collect()));
        }
    }
}

/// Not LIKE, for which SQLite takes capitals and small letters as the same.
fn write_prefix(what: &str, prefix: &str, text: &mut String, args: &mut Vec<Arg>) {
    if !is_storable(prefix) {
        return text.push_str("1 = 0");
    }
    text.push_str(&format!("SUBSTR({what}, 1, {}) = ?", prefix.chars().count()));
    args.push(prefix.into());
}

fn write_matches(what: &str, regex: &str, text: &mut String, args: &mut Vec<Arg>) {
    text.push_str(&format!("({what}) REGEXP ?"));
    args.push(regex.into());
}

fn write_label(
    rows: &Rows,
    key: ConditionKey,
    label: &str,
    value: &LabelValue,
    text: &mut String,
    args: &mut Vec<Arg>,
) {
    let labels = rows.labels.iter().find(|(own, _)| *own == key).filter(|_| is_storable(label));
    let Some((_, labels)) = labels else { return text.push_str("1 = 0") };
    let mut condition = "l.label = ?".to_owned();
    args.push(label.into());
    match value {
        LabelValue::OneOf(values) => {
            condition.push_str(" AND ");
            write_in("l.value", values, &mut condition, args);
        }
        LabelValue::Contains(part) if !is_storable(part) => condition.push_str(" AND 1 = 0"),
        LabelValue::Contains(part) if !part.is_empty() => {
            condition.push_str(" AND REPLACE(l.value, ?, '') <> l.value");
            args.push(part.into());
        }
        LabelValue::Contains(_) | LabelValue::Any => {}
    }
    text.push_str(&labels.having(&condition));
}

fn write_boundaries(policies: &[String], text: &mut String, args: &mut Vec<Arg>) {
    if !policies.iter().all(|policy| is_storable(policy)) {
        return text.push_str("1 = 0");
    }
    let one = "EXISTS (SELECT 1 FROM user_boundaries AS b WHERE b.user_id = t.id AND b.policy_id = ?)";
    text.push_str(&format!("({})", vec![one; policies.len()].join(" AND ")));
    args.extend(policies.iter().map(Arg::from));
}
