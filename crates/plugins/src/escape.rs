//! How nginx escapes what it puts into a target.

use percent_encoding::{AsciiSet, CONTROLS};

/// What cannot stand in a path. Source: `ngx_escape_uri` of nginx, for `NGX_ESCAPE_URI`.
pub(crate) const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
