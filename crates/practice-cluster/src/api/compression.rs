//! Compresses large responses for clients that accept it, as API servers do (`APIResponseCompression`).

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, Response, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Smaller responses are sent as they are, as by a real server.
const THRESHOLD: u64 = 128 * 1024;

/// The level of a real server.
const LEVEL: u32 = 4;

/// Returns whether a request accepts gzip.
pub(super) fn accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| coding.split(';').next().map(str::trim) == Some("gzip"))
}

/// Compresses a response that is complete, and large enough. Streams stay as they are.
pub(super) async fn compressed(response: Response<Body>) -> Response<Body> {
    let large = response.body().size_hint().exact().is_some_and(|size| size > THRESHOLD);
    if !large {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = axum::body::to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let Ok(packed) = gzip(&whole) else { return Response::from_parts(parts, Body::from(whole)) };
    parts.headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    parts.headers.append(header::VARY, header::HeaderValue::from_static("Accept-Encoding"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}

fn gzip(bytes: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(bytes)?;
    encoder.finish().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::io::Read;

    #[test]
    fn clients_say_whether_they_unpack_it() {
        for (value, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("identity", false),
            ("gzipped", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepted(&headers), expected, "{value}");
        }
        assert!(!accepted(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn only_large_responses_are_packed() {
        for (size, packed) in [(THRESHOLD, false), (THRESHOLD + 1, true)] {
            let text = "x".repeat(usize::try_from(size).unwrap());
            let response = compressed(Response::new(Body::from(text.clone()))).await;
            assert_eq!(response.headers().contains_key(header::CONTENT_ENCODING), packed, "{size}");
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let mut unpacked = String::new();
            if packed {
                flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut unpacked).unwrap();
                assert_eq!(unpacked, text);
            }
            assert!(packed == (body.len() < 10_000), "{}", body.len());
        }
    }
}
