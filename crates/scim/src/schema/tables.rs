//! The tables of attributes.

use super::Mutability::{ReadOnly, WriteOnly};
use super::{Attribute, Definition, Extension, Kind, Mutability};

pub(crate) const ENTERPRISE_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Users.
pub const USER: Definition = Definition {
    name: "User",
    endpoint: "/Users",
    urn: "urn:ietf:params:scim:schemas:core:2.0:User",
    attributes: USER_ATTRIBUTES,
    extensions: &[ENTERPRISE],
};

/// Groups, which are the product's roles.
pub const GROUP: Definition = Definition {
    name: "Group",
    endpoint: "/Groups",
    urn: "urn:ietf:params:scim:schemas:core:2.0:Group",
    attributes: GROUP_ATTRIBUTES,
    extensions: &[],
};

const fn plain(name: &'static str, kind: Kind) -> Attribute {
    Attribute {
        name,
        kind,
        multi: false,
        required: false,
        case_exact: false,
        mutability: Mutability::ReadWrite,
        unique: false,
        always: false,
    }
}

const fn text(name: &'static str) -> Attribute {
    plain(name, Kind::Text)
}

const fn exact(attribute: Attribute) -> Attribute {
    Attribute { case_exact: true, ..attribute }
}

const fn read_only(attribute: Attribute) -> Attribute {
    Attribute { mutability: ReadOnly, ..attribute }
}

const fn list(name: &'static str, parts: &'static [Attribute]) -> Attribute {
    Attribute { multi: true, ..plain(name, Kind::Complex(parts)) }
}

const ID: Attribute = Attribute { always: true, unique: true, ..read_only(exact(text("id"))) };
const EXTERNAL_ID: Attribute = exact(text("externalId"));
const META: Attribute = read_only(plain(
    "meta",
    Kind::Complex(&[
        read_only(exact(text("resourceType"))),
        read_only(plain("created", Kind::Moment)),
        read_only(plain("lastModified", Kind::Moment)),
        read_only(exact(plain("location", Kind::Reference))),
        read_only(exact(text("version"))),
    ]),
));

/// Parts of most lists.
const VALUES: &[Attribute] = &[text("value"), text("display"), text("type"), plain("primary", Kind::Bool)];

const USER_ATTRIBUTES: &[Attribute] = &[
    ID,
    EXTERNAL_ID,
    META,
    Attribute { required: true, unique: true, ..text("userName") },
    plain(
        "name",
        Kind::Complex(&[
            text("formatted"),
            text("familyName"),
            text("givenName"),
            text("middleName"),
            text("honorificPrefix"),
            text("honorificSuffix"),
        ]),
    ),
    text("displayName"),
    text("nickName"),
    plain("profileUrl", Kind::Reference),
    text("title"),
    text("userType"),
    text("preferredLanguage"),
    text("locale"),
    text("timezone"),
    plain("active", Kind::Bool),
    Attribute { mutability: WriteOnly, ..exact(text("password")) },
    list("emails", VALUES),
    list("phoneNumbers", VALUES),
    list(
        "addresses",
        &[
            text("formatted"),
            text("streetAddress"),
            text("locality"),
            text("region"),
            text("postalCode"),
            text("country"),
            text("type"),
            plain("primary", Kind::Bool),
        ],
    ),
    read_only(list(
        "groups",
        &[
            read_only(exact(text("value"))),
            read_only(exact(plain("$ref", Kind::Reference))),
            read_only(text("display")),
            read_only(text("type")),
        ],
    )),
];

const ENTERPRISE: Extension = Extension {
    urn: ENTERPRISE_URN,
    name: "Enterprise user",
    attributes: &[
        text("employeeNumber"),
        text("costCenter"),
        text("organization"),
        text("division"),
        text("department"),
        plain(
            "manager",
            Kind::Complex(&[exact(text("value")), exact(plain("$ref", Kind::Reference)), text("displayName")]),
        ),
    ],
};

const GROUP_ATTRIBUTES: &[Attribute] = &[
    ID,
    EXTERNAL_ID,
    META,
    Attribute { required: true, unique: true, ..text("displayName") },
    list("members", &[exact(text("value")), exact(plain("$ref", Kind::Reference)), text("type"), text("display")]),
];
