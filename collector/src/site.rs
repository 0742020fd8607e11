//! The web application, embedded by `build.rs`, or the page that says how to build it. Files are found by exact name in
//! a table made at build time: there is no file system behind this, so there is nothing to climb out of.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// A file of the web application.
struct File {
    /// As in the URL, from `/`.
    path: &'static str,
    /// Names this content; quoted, as in the header.
    etag: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/site_files.rs"));

/// What stands in when there is no web application.
static MISSING: &[File] = &[
    File {
        path: "/index.html",
        etag: "\"1\"",
        plain: include_bytes!("site/missing.html"),
        gzip: None,
    },
    File {
        path: "/missing.css",
        etag: "\"1\"",
        plain: include_bytes!("site/missing.css"),
        gzip: None,
    },
];

/// Whether the web application is built in.
pub fn is_built_in() -> bool {
    !FILES.is_empty()
}

/// Answers a GET for anything that is not the API.
pub fn serve(path: &str, headers: &HeaderMap) -> Response {
    serve_from(if is_built_in() { FILES } else { MISSING }, path, headers)
}

fn serve_from(files: &'static [File], path: &str, headers: &HeaderMap) -> Response {
    let find = |path: &str| files.iter().find(|file| file.path == path);
    // The application routes in the browser, so a path that names no file is a screen of its own.
    let is_screen = !path.rsplit('/').next().unwrap_or_default().contains('.');
    let Some(file) = find(path).or_else(|| find("/index.html").filter(|_| is_screen)) else {
        return Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {path}"))
            .into_response();
    };
    // Names under /assets/ carry a hash of their content; everything else must be asked after.
    let cache = if file.path.starts_with("/assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tag| tag.as_bytes() == file.etag.as_bytes());
    let gzip = file.gzip.filter(|_| accepts_gzip(headers));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        gzip.unwrap_or(file.plain).into_response()
    };
    let answer = response.headers_mut();
    answer.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(file.path)),
    );
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    answer.insert(header::ETAG, HeaderValue::from_static(file.etag));
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzip.is_some() && !known {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether gzip is among the accepted codings and not excluded by `q=0` (RFC 9110, section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let excluded = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        is_gzip && !excluded
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" | "geojson" | "topojson" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BUILT: &[File] = &[
        File {
            path: "/assets/index-3f2a.js",
            etag: "\"a\"",
            plain: b"plain",
            gzip: Some(b"gzip"),
        },
        File {
            path: "/index.html",
            etag: "\"b\"",
            plain: b"<!doctype html>",
            gzip: None,
        },
    ];

    fn header_of(response: &Response, name: header::HeaderName) -> &str {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn hashed_assets_are_kept_for_ever_and_the_page_is_asked_after() {
        let asset = serve_from(BUILT, "/assets/index-3f2a.js", &HeaderMap::new());
        assert_eq!(
            header_of(&asset, header::CACHE_CONTROL),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(
            header_of(&asset, header::CONTENT_TYPE),
            "text/javascript; charset=utf-8"
        );
        for path in ["/", "/index.html", "/pair/paris-1"] {
            let page = serve_from(BUILT, path, &HeaderMap::new());
            assert_eq!(page.status(), StatusCode::OK, "{path}");
            assert_eq!(header_of(&page, header::CACHE_CONTROL), "no-cache");
            assert_eq!(header_of(&page, header::CONTENT_TYPE), "text/html; charset=utf-8");
        }
    }

    #[test]
    fn gzip_goes_to_who_accepts_it() {
        let coding = |accepted| {
            let response = serve_from(
                BUILT,
                "/assets/index-3f2a.js",
                &with(header::ACCEPT_ENCODING, accepted),
            );
            header_of(&response, header::CONTENT_ENCODING).to_owned()
        };
        assert_eq!(coding("br, gzip;q=0.8"), "gzip");
        assert_eq!(coding("gzip;q=0, br"), "");
        assert_eq!(coding("identity"), "");
    }

    #[test]
    fn a_known_version_is_not_sent_again_and_a_missing_file_is_missing() {
        let again = serve_from(BUILT, "/", &with(header::IF_NONE_MATCH, "\"b\""));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        for path in ["/assets/gone.js", "/../Cargo.toml", "/assets/%2e%2e/x.js"] {
            assert_eq!(
                serve_from(BUILT, path, &HeaderMap::new()).status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
    }

    #[test]
    fn without_a_build_the_page_says_how_to_make_one() {
        let page = std::str::from_utf8(MISSING[0].plain).expect("text");
        assert!(page.contains("make dashboards"));
        assert!(
            !page.contains("style=") && !page.contains("<script"),
            "the content security policy forbids it"
        );
        let style = serve_from(MISSING, "/missing.css", &HeaderMap::new());
        assert_eq!(header_of(&style, header::CONTENT_TYPE), "text/css; charset=utf-8");
    }
}
