//! The setting `warehouse`: SynxDB's kernel knows it, and PostgreSQL takes none without a dot in its name. What a
//! client says of it is passed on as if it spoke of `synxdb.warehouse`, a setting of PostgreSQL's own kind: the startup
//! option `-c warehouse=NAME`, `SHOW warehouse`, `SET warehouse`, `current_setting('warehouse')`.
//!
//! Knows nothing of the sandbox around it: the tests of the plugin's own sessions use it before a PostgreSQL of theirs.

use regex::Regex;
use std::borrow::Cow;
use std::io;
use std::sync::LazyLock;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What clients call it.
const WAREHOUSE: &str = "warehouse";
/// What PostgreSQL calls it.
const SETTING: &str = "synxdb.warehouse";
/// Longest message that is looked into, in bytes; a longer one is passed on as it is.
const LONGEST: usize = 1 << 20;
/// Bytes of a startup packet before its parameters: length and protocol.
const STARTUP_HEAD: usize = 8;

/// Where a statement speaks of the setting. `SET` begins a statement: in the middle of one it is about a column.
static SPOKEN_OF: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(\bshow\s+|\breset\s+|(?:^|[;\x00])\s*set\s+(?:session\s+|local\s+)?|\b(?:current_setting|set_config)\(\s*')warehouse\b",
    )
    .ok()
});

/// A startup packet of the third version of the protocol: the warehouse that it chooses, and the packet as PostgreSQL
/// takes it.
pub(crate) fn startup(packet: &[u8]) -> (Option<String>, Vec<u8>) {
    let Some(parameters) = packet.get(STARTUP_HEAD..) else { return (None, packet.to_vec()) };
    let mut chosen = None;
    let mut body = packet.get(4..STARTUP_HEAD).unwrap_or_default().to_vec();
    let mut texts = parameters.split(|byte| *byte == 0);
    while let (Some(name), Some(value)) = (texts.next().filter(|name| !name.is_empty()), texts.next()) {
        let (mut name, mut value) = (Cow::Borrowed(name), Cow::Borrowed(value));
        if let (b"options", Ok(options)) = (&*name, std::str::from_utf8(&value)) {
            let (warehouse, options) = translated_options(options);
            chosen = warehouse.or(chosen);
            value = Cow::Owned(options.into_bytes());
        } else if *name == *WAREHOUSE.as_bytes() {
            chosen = Some(String::from_utf8_lossy(&value).into_owned());
            name = Cow::Borrowed(SETTING.as_bytes());
        }
        for text in [name, value] {
            body.extend_from_slice(&text);
            body.push(0);
        }
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    (chosen, [&length.to_be_bytes()[..], &body].concat())
}

/// The value of `options`, as PostgreSQL splits it: words between white space, in which a backslash keeps what follows
/// it.
fn translated_options(options: &str) -> (Option<String>, String) {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(c) = characters.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let mut chosen = None;
    let mut after_c = false;
    for word in &mut words {
        let at = if after_c {
            0
        } else if word.starts_with("--") || (word.starts_with("-c") && word.len() > 2) {
            2
        } else {
            after_c = word == "-c";
            continue;
        };
        after_c = false;
        let (front, setting) = word.split_at(at);
        if let Some((WAREHOUSE, value)) = setting.split_once('=') {
            chosen = Some(value.to_owned());
            *word = format!("{front}{SETTING}={value}");
        }
    }
    let kept = |word: &String| {
        let keep = |c: char| if c.is_whitespace() || c == '\\' { vec!['\\', c] } else { vec![c] };
        word.chars().flat_map(keep).collect::<String>()
    };
    (chosen, words.iter().map(kept).collect::<Vec<_>>().join(" "))
}

/// What a client sends after its startup packet, message by message.
#[derive(Default)]
struct Messages {
    /// The beginning of an incomplete message.
    pending: Vec<u8>,
    /// How many more bytes of a message are passed on as they are.
    passing: usize,
}

impl Messages {
    /// Takes what has come, and gives out what can be passed on.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let mut out = Vec::new();
        loop {
            let passed = self.passing.min(self.pending.len());
            out.extend(self.pending.drain(..passed));
            self.passing -= passed;
            let Some((kind, length)) = self.head().filter(|_| self.passing == 0) else { return out };
            let whole = length.saturating_add(1);
            // A query, and the text of a prepared one.
            if !matches!(kind, b'Q' | b'P') || whole > LONGEST {
                self.passing = whole;
            } else if self.pending.len() < whole {
                return out;
            } else {
                let message: Vec<u8> = self.pending.drain(..whole).collect();
                out.extend(translated(&message));
            }
        }
    }

    /// Kind and length of the message that begins now.
    fn head(&self) -> Option<(u8, usize)> {
        let [kind, a, b, c, d] = *self.pending.first_chunk::<5>()?;
        Some((kind, usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX)))
    }
}

/// A message whose text speaks of the setting under the name that PostgreSQL has for it.
fn translated(message: &[u8]) -> Vec<u8> {
    let (head, body) = message.split_at(message.len().min(5));
    let spoken = SPOKEN_OF.as_ref().zip(std::str::from_utf8(body).ok());
    let Some(text) = spoken.map(|(of, text)| of.replace_all(text, format!("${{1}}{SETTING}"))) else {
        return message.to_vec();
    };
    let length = u32::try_from(text.len() + 4).unwrap_or(u32::MAX);
    [&head[..1], &length.to_be_bytes(), text.as_bytes()].concat()
}

/// Passes data between client and server until either side ends.
pub(crate) async fn pass(
    client: impl AsyncRead + AsyncWrite + Unpin,
    server: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let asks = async {
        let mut messages = Messages::default();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return to_server.shutdown().await;
            }
            to_server.write_all(&messages.take(&buffer[..read])).await?;
        }
    };
    let answers = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(asks, answers).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(parameters: &[(&str, &str)]) -> Vec<u8> {
        let body: String = parameters.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
        let length = u32::try_from(body.len() + 9).unwrap();
        [&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), body.as_bytes(), b"\0"].concat()
    }

    #[test]
    fn the_startup_option_chooses_a_warehouse() {
        for (options, chosen, translated) in [
            ("-c warehouse=wh-1", Some("wh-1"), "-c synxdb.warehouse=wh-1"),
            ("-cwarehouse=wh-1 -c a=b", Some("wh-1"), "-csynxdb.warehouse=wh-1 -c a=b"),
            ("--warehouse=wh-1", Some("wh-1"), "--synxdb.warehouse=wh-1"),
            (
                "-c search_path=pg_catalog  -c warehouse=a\\ b",
                Some("a b"),
                "-c search_path=pg_catalog -c synxdb.warehouse=a\\ b",
            ),
            ("-c my.warehouse=x -c a=warehouse", None, "-c my.warehouse=x -c a=warehouse"),
            ("", None, ""),
        ] {
            let (found, passed) = startup(&packet(&[("user", "gpadmin"), ("options", options), ("database", "d")]));
            assert_eq!(found.as_deref(), chosen, "{options}");
            assert_eq!(passed, packet(&[("user", "gpadmin"), ("options", translated), ("database", "d")]), "{options}");
        }
        let plain = packet(&[("user", "gpadmin")]);
        assert_eq!(startup(&plain), (None, plain.clone()));
        let (found, passed) = startup(&packet(&[("warehouse", "w")]));
        assert_eq!((found.as_deref(), passed), (Some("w"), packet(&[("synxdb.warehouse", "w")])));
    }

    fn message(kind: u8, body: &str) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body.as_bytes()].concat()
    }

    /// However the bytes come in, and only if it is the setting that is spoken of.
    #[test]
    fn statements_speak_of_postgresqls_setting() {
        let said = [
            message(b'Q', "SELECT 1;\nSHOW warehouse;\n\0"),
            message(b'p', "SHOW warehouse\0"),
            message(b'P', "\0set local  warehouse = 'x'\0\0\0"),
            message(b'Q', "UPDATE t SET warehouse = 1; SELECT pg_catalog.current_setting('warehouse')\0"),
            message(b'd', "show warehouse"),
            message(b'X', ""),
        ];
        let expected = [
            message(b'Q', "SELECT 1;\nSHOW synxdb.warehouse;\n\0"),
            message(b'p', "SHOW warehouse\0"),
            message(b'P', "\0set local  synxdb.warehouse = 'x'\0\0\0"),
            message(b'Q', "UPDATE t SET warehouse = 1; SELECT pg_catalog.current_setting('synxdb.warehouse')\0"),
            message(b'd', "show warehouse"),
            message(b'X', ""),
        ]
        .concat();
        for step in [1, 3, 7, 4096] {
            let mut messages = Messages::default();
            let passed: Vec<u8> = said.concat().chunks(step).flat_map(|bytes| messages.take(bytes)).collect();
            assert_eq!(String::from_utf8_lossy(&passed), String::from_utf8_lossy(&expected), "{step}");
        }
        let long = message(b'Q', &format!("SHOW warehouse{}\0", " ".repeat(LONGEST)));
        assert_eq!(Messages::default().take(&long), long);
    }
}
