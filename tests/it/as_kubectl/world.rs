//! The servers, proxies and certificates of a comparison, and the words that shapes name them by.

use super::certificates::{self as make, Authority, Pair, self_signed};
use super::servers::{self, Record, Recorded};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa};
use std::path::Path;

pub(super) struct World {
    record: Record,
    words: Vec<(String, String)>,
    /// Files in every home folder.
    files: Vec<(&'static str, String)>,
}

impl World {
    pub(super) fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let record = Record::default();
        let mut world = Self { record, words: Vec::new(), files: Vec::new() };
        let ca = Authority::new();
        let foreign = Authority::new();
        let old_ca = Authority::with(|params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        });
        let serving = ca.server();
        world.secure("one", &serving);
        world.secure("two", &serving);
        world.secure("foreign", &foreign.server());
        world.secure("oldca", &old_ca.server());
        world.secure("wrongname", &ca.signs(&["other.example"], |_| ()));
        world.secure(
            "nameless",
            &ca.signs(&[], |params| {
                params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
            }),
        );
        world.secure(
            "expired",
            &ca.signs(&["127.0.0.1", "localhost"], |params| {
                params.not_before = rcgen::date_time_ymd(2020, 1, 1);
                params.not_after = rcgen::date_time_ymd(2021, 1, 1);
            }),
        );
        world.secure(
            "early",
            &ca.signs(&["127.0.0.1", "localhost"], |params| {
                params.not_before = rcgen::date_time_ymd(2060, 1, 1);
                params.not_after = rcgen::date_time_ymd(2061, 1, 1);
            }),
        );
        world.secure(
            "clientonly",
            &ca.signs(&["127.0.0.1", "localhost"], |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
        );
        let names = ["127.0.0.1", "localhost"];
        let own_ca = self_signed(&names, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        world.secure("ownca", &own_ca);
        let own_ca_old = self_signed(&names, |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        });
        world.secure("owncaold", &own_ca_old);
        let own_ca_other =
            self_signed(&["other.example"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        world.secure("owncaother", &own_ca_other);
        let own = self_signed(&names, |_| ());
        world.secure("own", &own);
        let pinned = foreign.server();
        world.secure("pinned", &pinned);
        let version_1 = make::version_1(&self_signed(&names, |_| ()));
        world.secure("v1", &version_1);
        for (name, pair) in [
            ("ca", &ca.pair),
            ("foreignca", &foreign.pair),
            ("oldca", &old_ca.pair),
            ("ownca", &own_ca),
            ("owncaold", &own_ca_old),
            ("owncaother", &own_ca_other),
            ("own", &own),
            ("pinned", &pinned),
            ("v1", &version_1),
        ] {
            world.word(&format!("{name}pem"), &indented(&pair.certificate));
            world.word(name, &STANDARD.encode(&pair.certificate));
        }
        world.word("cawrapped", &indented(&make::wrapped(&STANDARD.encode(&ca.pair.certificate), 76)));
        let client = foreign.client();
        let old_client = make::version_1(&client);
        let other = foreign.client();
        world.word("cert", &STANDARD.encode(&client.certificate));
        world.word("key", &STANDARD.encode(&client.key));
        world.word("keywrapped", &indented(&make::wrapped(&STANDARD.encode(&client.key), 76)));
        world.word("certv1", &STANDARD.encode(&old_client.certificate));
        world.word("keyother", &STANDARD.encode(&other.key));
        world.word("keysec1", &STANDARD.encode(make::sec1(&client)));
        let curve = make::pem("EC PARAMETERS", &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
        world.word("keyparameters", &STANDARD.encode(format!("{curve}{}", make::sec1(&client))));
        let request = make::pem("CERTIFICATE REQUEST", b"not looked at");
        world.word("keyrequest", &STANDARD.encode(format!("{request}{}", client.key)));
        world.word("keyboth", &STANDARD.encode(format!("{}{}", client.certificate, client.key)));
        world.word("keyencrypted", &STANDARD.encode(make::pem("ENCRYPTED PRIVATE KEY", b"sealed")));
        let header = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nc2VhbGVk\n-----END EC PRIVATE KEY-----\n";
        world.word("keyprotected", &STANDARD.encode(header));
        world.word("certchain", &STANDARD.encode(format!("{}{}", client.certificate, foreign.pair.certificate)));
        world.word("certcrlf", &STANDARD.encode(client.certificate.replace('\n', "\r\n")));
        world.word("keycrlf", &STANDARD.encode(client.key.replace('\n', "\r\n")));
        world.word("certtext", &STANDARD.encode(format!("Bag Attributes\n  friendlyName: x\n{}", client.certificate)));
        let broken = make::pem("CERTIFICATE", b"no certificate at all");
        world.word("cabroken", &STANDARD.encode(format!("{broken}{}", ca.pair.certificate)));
        world.word("onlybroken", &STANDARD.encode(&broken));
        world.word("cacomment", &STANDARD.encode(format!("# my authority\n\n{}# end\n", ca.pair.certificate)));
        let both = format!("{}{}", foreign.pair.certificate, ca.pair.certificate);
        world.word("caboth", &STANDARD.encode(both));
        world.files = vec![
            ("ca.crt", ca.pair.certificate.clone()),
            ("foreign.crt", foreign.pair.certificate.clone()),
            ("client.crt", client.certificate.clone()),
            ("client.key", client.key.clone()),
            ("sub/ca.crt", ca.pair.certificate.clone()),
            ("sub/client.crt", client.certificate.clone()),
            ("sub/client.key", client.key.clone()),
            ("sub/token", "from-file".to_owned()),
            ("token", "from-file".to_owned()),
            ("empty", String::new()),
            ("client.p12.pem", format!("{}{}", client.key, client.certificate)),
        ];
        let plain = servers::plain("plain", &world.record);
        world.word("plain", &format!("http://127.0.0.1:{plain}"));
        world.word("plainport", &plain.to_string());
        for (name, port) in [
            ("httpproxy", servers::http_proxy("http", &world.record)),
            ("httpsproxy", servers::https_proxy("https", &serving, &world.record)),
            ("httpsforeign", servers::https_proxy("https", &foreign.server(), &world.record)),
            ("httpswrong", servers::https_proxy("https", &ca.signs(&["other.example"], |_| ()), &world.record)),
            ("socks", servers::socks_proxy("socks", false, &world.record)),
            ("sockslogin", servers::socks_proxy("socks", true, &world.record)),
        ] {
            world.word(name, &format!("127.0.0.1:{port}"));
        }
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        world.word("closed", &closed.to_string());
        world
    }

    fn secure(&mut self, label: &'static str, pair: &Pair) {
        let port = servers::secure(label, pair, &self.record);
        self.word(&format!("at-{label}"), &format!("https://127.0.0.1:{port}"));
        self.word(&format!("port-{label}"), &port.to_string());
    }

    fn word(&mut self, name: &str, value: &str) {
        self.words.push((format!("{{{name}}}"), value.to_owned()));
    }

    /// Fills in the words in braces.
    pub(super) fn fill(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    pub(super) fn files(&self, home: &Path) {
        for (path, text) in &self.files {
            let path = home.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    pub(super) fn forget(&self) {
        self.record.restart();
    }

    pub(super) fn recorded(&self) -> Recorded {
        self.record.read()
    }
}

/// For a block scalar of YAML.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("      {line}\n")).collect()
}
