//! The page that stands for an answer without words of its own.
//!
//! A plugin of APISIX that refuses with a status alone leaves the body to nginx, and clients see nginx's page. Ours is the
//! same but for the name of the server at its end. Source: `ngx_http_special_response.c` of nginx.

use http::StatusCode;

/// What ends every page.
const TAIL: &str = "<hr><center>flotilla</center>\r\n</body>\r\n</html>\r\n";

/// The page of a status; `None` where nginx sends no body.
pub(crate) fn of(status: StatusCode) -> Option<String> {
    let title = title(status.as_u16())?;
    let code = status.as_str();
    Some(format!(
        "<html>\r\n<head><title>{code} {title}</title></head>\r\n<body>\r\n\
         <center><h1>{code} {title}</h1></center>\r\n{TAIL}"
    ))
}

/// nginx's words, which are older than those of RFC 9110.
fn title(status: u16) -> Option<&'static str> {
    Some(match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Authorization Required",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_nginx_s_but_for_the_name() {
        let page = of(StatusCode::SERVICE_UNAVAILABLE).expect("a page");
        let expected = "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n\
                        <center><h1>503 Service Temporarily Unavailable</h1></center>\r\n\
                        <hr><center>flotilla</center>\r\n</body>\r\n</html>\r\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn what_nginx_sends_bare_has_none() {
        for status in [200, 204, 304, 407, 418, 428, 431, 599] {
            assert_eq!(of(StatusCode::from_u16(status).expect("a status")), None, "{status}");
        }
    }
}
