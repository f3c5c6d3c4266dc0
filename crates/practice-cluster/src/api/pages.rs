//! The token of a list's next page: the version of the list, and where the page begins. Pure.

use super::go_json::{json_error, type_of};
use super::status::ApiError;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use serde_json::{Value, json};

const VERSION: &str = "meta.k8s.io/v1";

/// Base64 that ignores surplus bits in the last character.
const CODE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// Where a paged list continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Continue {
    /// `None`: the current objects.
    pub(super) version: Option<u64>,
    /// The first object's key, below that of what is listed; between the last one shown and the next there is room.
    pub(super) start: String,
}

impl Continue {
    /// Returns the token that continues after the object of that key.
    pub(super) fn after(version: u64, key: &str) -> Continue {
        Continue { version: Some(version), start: format!("{key}\0") }
    }

    /// The token as text.
    pub(super) fn encode(&self) -> String {
        let version = self.version.map_or_else(|| json!(-1), |version| json!(version));
        CODE.encode(json!({"v": VERSION, "rv": version, "start": self.start}).to_string())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 for an invalid token.
    pub(super) fn decode(token: &str) -> Result<Continue, ApiError> {
        read(token)
            .map_err(|why| ApiError::bad_request(format!("invalid continue token: continue key is not valid{why}")))
    }
}

fn read(token: &str) -> Result<Continue, String> {
    let bytes = CODE.decode(token).map_err(|_| {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let at = token.bytes().position(|byte| !is_digit(&byte)).unwrap_or(token.len().saturating_sub(1));
        format!(": illegal base64 data at input byte {at}")
    })?;
    let token: Value = serde_json::from_slice(&bytes).map_err(|error| format!(": {}", json_error(&bytes, &error)))?;
    if !token.is_object() && !token.is_null() {
        let kind = type_of(&token);
        return Err(format!(": json: cannot unmarshal {kind} into Go value of type storage.continueToken"));
    }
    let version = token["v"].as_str().unwrap_or_default();
    if version != VERSION {
        return Err(format!(": server does not recognize this encoded version {version}"));
    }
    let at = token["rv"].as_i64().unwrap_or_default();
    if at == 0 {
        return Err(format!(": incorrect encoded start resourceVersion (version {VERSION})"));
    }
    let start = token["start"].as_str().unwrap_or_default();
    if start.is_empty() {
        return Err(format!(": encoded start key empty (version {VERSION})"));
    }
    let key = start.strip_prefix('/').unwrap_or(start);
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!(": {start}"));
    }
    Ok(Continue { version: u64::try_from(at).ok(), start: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for token in [Continue::after(7, "ns/a"), Continue { version: None, start: "a\0".to_owned() }] {
            assert_eq!(Continue::decode(&token.encode()).unwrap(), token);
        }
    }

    #[test]
    fn invalid_tokens_are_distinguished() {
        let token = |token: Value| CODE.encode(token.to_string());
        for (token, why) in [
            ("abc".to_owned(), ": invalid character 'i' looking for beginning of value"),
            ("a+b".to_owned(), ": illegal base64 data at input byte 1"),
            ("abcde".to_owned(), ": illegal base64 data at input byte 4"),
            (token(json!([])), ": json: cannot unmarshal array into Go value of type storage.continueToken"),
            (token(json!({"v": "v9"})), ": server does not recognize this encoded version v9"),
            (token(json!({"v": VERSION})), ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
            (token(json!({"v": VERSION, "rv": 1})), ": encoded start key empty (version meta.k8s.io/v1)"),
            (token(json!({"v": VERSION, "rv": 1, "start": "../a"})), ": ../a"),
        ] {
            let message = Continue::decode(&token).unwrap_err().to_value()["message"].clone();
            assert_eq!(message, format!("invalid continue token: continue key is not valid{why}"));
        }
    }
}
