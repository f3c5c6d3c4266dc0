//! How PostgreSQL words that a connection is refused.

/// "cannot connect now".
pub(crate) const CANNOT_CONNECT_NOW: &str = "57P03";

/// A FATAL error that answers a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SqlRefusal {
    /// SQLSTATE.
    pub(crate) code: &'static str,
    /// Message.
    pub(crate) message: String,
    /// Detail, may be empty.
    pub(crate) detail: String,
}

impl SqlRefusal {
    /// 57P03 with a message.
    pub(crate) fn starting(message: impl Into<String>) -> SqlRefusal {
        SqlRefusal { code: CANNOT_CONNECT_NOW, message: message.into(), detail: String::new() }
    }

    /// What a startup option that names no warehouse of the account is answered with, in PostgreSQL's words.
    pub(super) fn no_warehouse(name: &str) -> SqlRefusal {
        SqlRefusal {
            code: "22023",
            message: format!("invalid value for parameter \"warehouse\": \"{name}\""),
            detail: format!("Warehouse \"{name}\" does not exist."),
        }
    }

    /// What a warehouse node's server answers to a client (Greenplum's words and SQLSTATE).
    pub(crate) fn segment() -> SqlRefusal {
        SqlRefusal {
            code: CANNOT_CONNECT_NOW,
            message: "connections to primary segments are not allowed".to_owned(),
            detail: "This database instance is running as a primary segment in a Greenplum cluster and does not \
                     permit direct connections."
                .to_owned(),
        }
    }

    /// As an ErrorResponse message of PostgreSQL's protocol, version 3.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        let fixed = [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', self.code), (b'M', &self.message), (b'D', &self.detail)];
        for (kind, value) in fixed {
            if !value.is_empty() {
                fields.push(kind);
                fields.extend_from_slice(value.as_bytes());
                fields.push(0);
            }
        }
        fields.push(0);
        let mut message = vec![b'E'];
        let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(&fields);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_complete_error_response() {
        let message = SqlRefusal::starting("no").encode();
        assert_eq!(message[0], b'E');
        let length = u32::from_be_bytes(message[1..5].try_into().unwrap()) as usize;
        assert_eq!(message.len(), length + 1);
        assert_eq!(&message[5..], b"SFATAL\0VFATAL\0C57P03\0Mno\0\0");
    }
}
