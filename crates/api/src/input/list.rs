//! Parameters of lists: filters, order and page.

use std::num::NonZeroU32;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use model::{GroupId, LabelSelector, ResourceId};
use store::iam::roles::NamedFilter;
use store::{Direction, Order, OrderBy, Page};
use utoipa::IntoParams;

use crate::error::{ApiError, ApiResult};

/// The parameters as the OpenAPI document tells them; [`ListQuery`] reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read by the OpenAPI generator only")]
pub(crate) struct ListParams {
    /// Number of the page, from 1. Without `page` and `page_size` the answer holds everything.
    #[param(minimum = 1)]
    page: Option<u32>,
    /// Most entries of a page, from 1.
    #[param(minimum = 1)]
    page_size: Option<u32>,
    /// `created_at`, `updated_at`, `name` or `id`; `updated_at` unless said otherwise.
    order_by: Option<String>,
    /// `asc` or `desc`.
    direction: Option<String>,
    /// Text that the id, name or description must contain.
    search: Option<String>,
    /// The exact name.
    name: Option<String>,
    /// Selector `key=value,key`; `labels[key]=value` is understood too.
    labels: Option<String>,
}

/// What a list was asked for.
#[derive(Debug, Default)]
pub(crate) struct ListQuery {
    /// Page number and size; none asks for everything.
    page: Option<PageAsked>,
    /// Field to order by.
    pub(crate) order_by: Option<String>,
    asked_direction: Option<Direction>,
    /// Text to contain.
    pub(crate) search: Option<String>,
    /// Exact name.
    pub(crate) name: Option<String>,
    /// Labels to have.
    pub(crate) labels: LabelSelector,
    others: Vec<(String, String)>,
}

/// A page by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PageAsked {
    number: u32,
    size: u32,
}

/// API7's page size where only the page's number is given.
const DEFAULT_PAGE_SIZE: u32 = 10;

impl ListQuery {
    /// A parameter of one list alone, such as `service_id`; empty counts as not given.
    pub(crate) fn other(&self, name: &str) -> Option<&str> {
        let found = self.others.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// The id of a resource, likewise.
    pub(crate) fn resource(&self, name: &str) -> ApiResult<Option<ResourceId>> {
        let id = self.other(name).map(ResourceId::new).transpose();
        id.map_err(|error| ApiError::bad_request(format!("parameter \"{name}\" {error}")))
    }

    /// The page; none asks for everything.
    pub(crate) fn page(&self) -> Option<Page> {
        self.page.map(|page| Page::new(page.number, page.size))
    }

    /// Number (from 1) and size of the page of a list that always has pages.
    pub(crate) fn window(&self, size: u32) -> (u32, u32) {
        self.page.map_or((1, size), |page| (page.number, page.size))
    }

    /// The group that `gateway_group_id` names.
    pub(crate) fn group(&self) -> ApiResult<Option<GroupId>> {
        let group = self.other("gateway_group_id").map(GroupId::new).transpose();
        group.map_err(|error| ApiError::bad_request(format!("parameter \"gateway_group_id\" {error}")))
    }

    /// The order of a list of groups or resources.
    pub(crate) fn order(&self) -> ApiResult<Order> {
        let by = match self.order_by.as_deref() {
            None | Some("updated_at") => OrderBy::UpdatedAt,
            Some("created_at") => OrderBy::CreatedAt,
            Some("name") => OrderBy::Name,
            Some("id") => OrderBy::Id,
            Some(other) => {
                let message =
                    format!("parameter \"order_by\" must be created_at, updated_at, name or id, not {other:?}");
                return Err(ApiError::bad_request(message));
            }
        };
        Ok(Order { by, direction: self.direction() })
    }

    /// Which way; API7's way, latest first, unless said otherwise.
    pub(crate) fn direction(&self) -> Direction {
        self.asked_direction.unwrap_or_default()
    }

    /// Which way, for lists that begin with the least unless told otherwise.
    pub(crate) fn direction_or_ascending(&self) -> Direction {
        self.asked_direction.unwrap_or(Direction::Ascending)
    }

    /// The filter of roles and permission policies.
    pub(crate) fn named(&self) -> ApiResult<NamedFilter> {
        Ok(NamedFilter {
            search: self.search.clone(),
            name: self.name.clone(),
            labels: self.labels.clone(),
            page: self.page(),
            order: self.order()?,
        })
    }

    fn read(pairs: Vec<(String, String)>) -> ApiResult<Self> {
        let mut query = ListQuery::default();
        let (mut number, mut size) = (None, None);
        for (key, value) in pairs {
            match key.as_str() {
                "page" => number = Some(whole_number(&key, &value)?),
                "page_size" => size = Some(whole_number(&key, &value)?),
                "order_by" => query.order_by = Some(value),
                "direction" => query.asked_direction = Some(direction(&value)?),
                "search" => query.search = Some(value).filter(|text| !text.is_empty()),
                "name" => query.name = Some(value).filter(|text| !text.is_empty()),
                _ => query.label_or_other(key, value),
            }
        }
        if number.is_some() || size.is_some() {
            query.page = Some(PageAsked { number: number.unwrap_or(1), size: size.unwrap_or(DEFAULT_PAGE_SIZE) });
        }
        Ok(query)
    }

    fn label_or_other(&mut self, key: String, value: String) {
        if key == "labels" {
            self.labels.requirements.extend(LabelSelector::parse(&value).requirements);
        } else if let Some(label) = key.strip_prefix("labels[").and_then(|rest| rest.strip_suffix(']')) {
            self.labels.requirements.push((label.to_owned(), Some(value)));
        } else {
            self.others.push((key, value));
        }
    }
}

fn whole_number(key: &str, value: &str) -> ApiResult<u32> {
    let number = value.parse::<NonZeroU32>().map(NonZeroU32::get);
    number.map_err(|_| ApiError::bad_request(format!("parameter {key:?} must be a whole number from 1, not {value:?}")))
}

fn direction(value: &str) -> ApiResult<Direction> {
    match value {
        "asc" => Ok(Direction::Ascending),
        "desc" => Ok(Direction::Descending),
        _ => Err(ApiError::bad_request(format!("parameter \"direction\" must be \"asc\" or \"desc\", not {value:?}"))),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::bad_request("the query of the address is not in the form key=value&key=value"))?;
        Self::read(pairs.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> ApiResult<ListQuery> {
        ListQuery::read(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn no_page_means_everything_and_a_page_alone_has_the_default_size() {
        assert_eq!(read(&[]).expect("read").page, None);
        assert_eq!(read(&[("page", "3")]).expect("read").page, Some(PageAsked { number: 3, size: 10 }));
        assert_eq!(read(&[("page_size", "7")]).expect("read").page, Some(PageAsked { number: 1, size: 7 }));
        assert!(read(&[("page", "0")]).is_err());
        assert!(read(&[("direction", "up")]).is_err());
    }

    #[test]
    fn labels_come_in_both_spellings() {
        let query = read(&[("labels[env]", "prod"), ("labels", "line=payment,region")]).expect("read");
        let wanted = [("env", Some("prod")), ("line", Some("payment")), ("region", None)];
        let wanted = wanted.map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
        assert_eq!(query.labels.requirements, wanted);
    }
}
