//! Lists: what of a filter the database can answer is asked of it; for all else the resources are read and held
//! against the filter here, as long as they are not too many.

use axum::response::Response;
use control::Control;
use control::iam::{Actor, Condition, Field, Sort, SortBy, Test};
use scim::filter::{Filter, Literal, Operator};
use scim::path::AttributePath;
use scim::schema::{Definition, GROUP, USER};
use scim::{ErrorType, Object};
use serde_json::Value;
use store::{Direction, Page};

use super::answer::{ScimError, ScimResult, listing};
use super::request::ScimQuery;
use super::{group_shape, user_shape};

/// Resources that are read for one filter that the database cannot answer.
const MAX_READ: u32 = 10_000;

/// What a list is asked for.
struct Asked {
    definition: &'static Definition,
    filter: Option<Filter>,
    /// The filter in the database's words, if it has them.
    condition: Option<Condition>,
    sort: Sort,
    page: Page,
}

impl Asked {
    fn read(definition: &'static Definition, query: &ScimQuery) -> ScimResult<Self> {
        let filter = query.filter.as_deref().map(Filter::parse).transpose()?;
        if let Some(filter) = &filter {
            filter.check(definition)?;
        }
        let condition = filter.as_ref().and_then(|filter| condition(definition, filter));
        let sort = sort(definition, query)?;
        let mut asked = Self { definition, filter, condition, sort, page: Page::after(0, MAX_READ) };
        if !asked.is_here() {
            asked.page = Page::after(query.start_index - 1, query.count);
        }
        Ok(asked)
    }

    /// Whether the filter is held against the resources here.
    fn is_here(&self) -> bool {
        self.filter.is_some() && self.condition.is_none()
    }

    fn answer(self, query: &ScimQuery, found: Vec<Object>, total: u64) -> ScimResult<Response> {
        let (skipped, total, found) = match &self.filter {
            Some(filter) if self.is_here() => {
                if total > u64::from(MAX_READ) {
                    let detail = format!("this filter is answered for at most {MAX_READ} resources; see docs/SCIM.md");
                    return Err(ScimError::of(ErrorType::TooMany, detail));
                }
                let met: Vec<Object> =
                    found.into_iter().filter(|resource| filter.matches(self.definition, resource)).collect();
                (query.start_index - 1, met.len() as u64, met)
            }
            _ => (0, total, found),
        };
        let window = found.into_iter().skip(skipped as usize).take(query.count as usize);
        let shown = window.map(|resource| Value::Object(query.projection.apply(self.definition, resource)));
        Ok(listing(total, query.start_index.into(), shown.collect()))
    }
}

/// The users that are asked for.
pub(crate) async fn users(control: &Control, actor: &Actor, query: &ScimQuery, base: &str) -> ScimResult<Response> {
    let asked = Asked::read(&USER, query)?;
    let found = control.provisioned_users(actor, asked.condition.as_ref(), asked.sort, asked.page).await?;
    let resources = found.list.iter().map(|member| user_shape::shown(member, base).resource).collect();
    asked.answer(query, resources, found.total)
}

/// The groups that are asked for.
pub(crate) async fn groups(control: &Control, actor: &Actor, query: &ScimQuery, base: &str) -> ScimResult<Response> {
    let asked = Asked::read(&GROUP, query)?;
    let with_members = query.projection.wants("members") || asked.is_here();
    let (condition, sort, page) = (asked.condition.as_ref(), asked.sort, asked.page);
    let found = control.provisioned_groups(actor, condition, sort, page, with_members).await?;
    let resources = found.list.iter().map(|group| group_shape::shown(group, base).resource).collect();
    asked.answer(query, resources, found.total)
}

fn sort(definition: &Definition, query: &ScimQuery) -> ScimResult<Sort> {
    let direction = if query.descending { Direction::Descending } else { Direction::Ascending };
    let name = if definition.name == USER.name { "userName" } else { "displayName" };
    let by = match query.sort_by.as_deref() {
        None => SortBy::Name,
        Some(text) if text.eq_ignore_ascii_case(name) => SortBy::Name,
        Some(text) if text.eq_ignore_ascii_case("id") => SortBy::Id,
        Some(text) if text.eq_ignore_ascii_case("meta.created") => SortBy::CreatedAt,
        Some(text) if text.eq_ignore_ascii_case("meta.lastModified") => SortBy::UpdatedAt,
        Some(_) => {
            let detail = format!("sortBy must be {name}, id, meta.created or meta.lastModified");
            return Err(ScimError::of(ErrorType::InvalidValue, detail));
        }
    };
    Ok(Sort { by, direction })
}

/// A filter in the database's words; `None` when it has none for a part of it.
fn condition(definition: &Definition, filter: &Filter) -> Option<Condition> {
    let all = |parts: &[Filter]| parts.iter().map(|part| condition(definition, part)).collect::<Option<Vec<_>>>();
    match filter {
        Filter::And(parts) => all(parts).map(Condition::All),
        Filter::Or(parts) => all(parts).map(Condition::Any),
        Filter::Not(part) => condition(definition, part).map(|part| Condition::Not(Box::new(part))),
        Filter::Present(path) => match column(definition, path)? {
            Column::Text(field) if field != Field::Email => Some(Condition::Present(field)),
            _ => None,
        },
        Filter::Compare(path, operator, literal) => comparison(column(definition, path)?, *operator, literal),
        // members[value eq "..."] and emails[value eq "..."]
        Filter::Within(path, part) => match part.as_ref() {
            Filter::Compare(sub, operator, literal)
                if sub.schema.is_none() && sub.attribute.eq_ignore_ascii_case("value") && *operator != Operator::Ne =>
            {
                comparison(column(definition, path)?, *operator, literal)
            }
            _ => None,
        },
    }
}

/// What the database knows of an attribute.
#[derive(Clone, Copy)]
enum Column {
    Text(Field),
    Active,
    Member,
}

fn column(definition: &Definition, path: &AttributePath) -> Option<Column> {
    let place = definition.find(path).filter(|place| place.extension.is_none())?;
    let is_value = place.sub.is_none_or(|sub| sub.name == "value");
    match (definition.name, place.attribute.name) {
        (_, "id") => Some(Column::Text(Field::Id)),
        (_, "externalId") => Some(Column::Text(Field::ExternalId)),
        ("User", "userName") => Some(Column::Text(Field::Username)),
        ("User", "displayName") => Some(Column::Text(Field::DisplayName)),
        ("User", "emails") if is_value => Some(Column::Text(Field::Email)),
        ("User", "active") => Some(Column::Active),
        ("Group", "displayName") => Some(Column::Text(Field::RoleName)),
        ("Group", "members") if is_value => Some(Column::Member),
        _ => None,
    }
}

fn comparison(column: Column, operator: Operator, literal: &Literal) -> Option<Condition> {
    if operator == Operator::Ne {
        return comparison(column, Operator::Eq, literal).map(|equal| Condition::Not(Box::new(equal)));
    }
    match (column, literal) {
        (Column::Text(field), Literal::Text(text)) => {
            let test = match operator {
                Operator::Eq => Test::Equals,
                Operator::Co => Test::Contains,
                Operator::Sw => Test::StartsWith,
                _ => return None,
            };
            Some(Condition::Text(field, test, text.clone()))
        }
        (Column::Member, Literal::Text(id)) if operator == Operator::Eq => Some(Condition::Member(id.clone())),
        (Column::Active, Literal::Bool(active)) => Some(Condition::Active(*active)),
        (Column::Active, Literal::Text(text)) => Some(Condition::Active(text.eq_ignore_ascii_case("true"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_ask_is_asked_of_the_database() {
        let asked = |definition, text: &str| condition(definition, &Filter::parse(text).expect(text)).is_some();
        for text in [
            "userName eq \"a\"",
            "externalId eq \"a\" or id eq \"b\"",
            "active eq true and not (displayName sw \"a\")",
            "emails eq \"a\"",
            "emails.value co \"a\"",
            "emails[value eq \"a\"]",
            "userName ne \"a\"",
            "externalId pr",
        ] {
            assert!(asked(&USER, text), "{text}");
        }
        for text in ["members eq \"a\"", "members[value eq \"a\"]", "id eq \"g\" and members.value eq \"u\""] {
            assert!(asked(&GROUP, text), "{text}");
        }
        for text in ["title eq \"a\"", "userName gt \"a\"", "emails[type eq \"work\"]", "emails[value ne \"a\"]"] {
            assert!(!asked(&USER, text), "{text}");
        }
        assert!(!asked(&USER, "userName eq \"a\" or title pr"), "half of a filter is not the filter");
    }
}
