//! How much memory of this process a hostile PostgreSQL can use: floods of small messages, each of which takes many
//! times its own length once parsed. Measured in a separate process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use kubectl_synxdb::probe::{Answer, Login, Sql, SqlTarget};
use kubectl_synxdb::probe::{ProbeError, connector::Connector};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

/// The memory limit in KiB; with an honest server, the process takes about 15 MiB.
const MOST: u64 = 48 << 10;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

/// Sends this after the login, or in the middle of it, as long as the connection is read.
struct Flooding {
    ready: bool,
    answer: Vec<u8>,
    flood: fn(u32) -> Vec<u8>,
}

impl Connector for Flooding {
    type Stream = DuplexStream;

    async fn connect(&self, _: Duration) -> Result<DuplexStream, ProbeError> {
        let (ours, mut theirs) = duplex(1 << 16);
        let (ready, answer, flood) = (self.ready, self.answer.clone(), self.flood);
        tokio::spawn(async move {
            let mut asked = [0; 8];
            theirs.read_exact(&mut asked).await.unwrap();
            theirs.write_all(b"N").await.unwrap();
            let mut startup = vec![0; theirs.read_u32().await.unwrap() as usize - 4];
            theirs.read_exact(&mut startup).await.unwrap();
            theirs.write_all(&message(b'R', &[0; 4])).await.unwrap();
            if ready {
                theirs.write_all(&message(b'Z', b"I")).await.unwrap();
                assert_eq!(theirs.read_u8().await.unwrap(), b'Q');
                let mut query = vec![0; theirs.read_u32().await.unwrap() as usize - 4];
                theirs.read_exact(&mut query).await.unwrap();
                theirs.write_all(&answer).await.unwrap();
            }
            let mut number = 0;
            while theirs.write_all(&flood(number)).await.is_ok() {
                number += 1;
            }
        });
        Ok(ours)
    }
}

/// Returns the peak memory of this process, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_floods_takes_little_memory() {
    let column = [&b"c\0"[..], &[0; 6], &[0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]].concat();
    let described = |columns: u8| message(b'T', &[&[0, columns][..], &column.repeat(columns.into())].concat());
    let nothing = Vec::new;
    let before = peak();
    for (what, ready, answer, flood) in [
        ("settings", false, nothing(), (|n| message(b'S', format!("k{n}\0v\0").as_bytes())) as fn(u32) -> Vec<u8>),
        ("settings after the login", true, nothing(), |n| message(b'S', format!("k{n}\0v\0").as_bytes())),
        ("notices before it is ready", false, nothing(), |_| message(b'N', b"\0")),
        ("rows of nothing", true, described(0), |_| message(b'D', &[0, 0])),
        ("rows of NULLs", true, described(64), |_| message(b'D', &[&[0, 64][..], &[255; 256]].concat())),
        ("rows of more NULLs", true, described(64), |_| message(b'D', &[&[6, 128][..], &[255; 6656]].concat())),
        ("descriptions", true, nothing(), |_| {
            let column = [&b"\0"[..], &[0; 6], &[0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]].concat();
            message(b'T', &[&[0, 64][..], &column.repeat(64)].concat())
        }),
        ("results", true, nothing(), |_| message(b'C', b"SELECT 0\0")),
    ] {
        let target = SqlTarget {
            namespace: "a".into(),
            pod: "p-0".into(),
            port: 5432,
            user: "gpadmin".into(),
            login: Login::default(),
            database: "postgres".into(),
            otherwise: Vec::new(),
            warehouse: None,
        };
        let sql = Sql::with(Flooding { ready, answer, flood }, target);
        match sql.introduction(Duration::from_secs(50)).await {
            Answer::Unknown(why) => assert!(why.starts_with("the server's response was truncated"), "{what}: {why}"),
            other => panic!("{what}: {other:?}"),
        }
        let taken = peak() - before;
        println!("{what}: {taken} KiB so far");
        assert!(taken < MOST, "{what}: {taken} KiB");
    }
}
