//! krew's manifest is what `scripts/dist` writes for this version; nothing in it is edited by hand. Whether its
//! checksums match the archives is checked where archives exist (`tests/archives`).

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::path::Path;

const PLATFORMS: [&str; 5] = ["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"];

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn the_manifest_has_this_version_and_matches_its_template() {
    let text = read("plugin.yaml");
    let manifest: Value = serde_saphyr::from_str(&text).unwrap();
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["spec"]["version"], *version, "scripts/dist writes plugin.yaml");
    let homepage = manifest["spec"]["homepage"].as_str().unwrap();
    let template = read("packaging/plugin.yaml.in").replace("@VERSION@", &version).replace("@HOMEPAGE@", homepage);
    assert!(text.starts_with(&template), "scripts/dist writes plugin.yaml from packaging/plugin.yaml.in");
}

#[test]
fn each_platform_has_the_archive_of_its_name() {
    let manifest: Value = serde_saphyr::from_str(&read("plugin.yaml")).unwrap();
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    let mut seen = Vec::new();
    for platform in manifest["spec"]["platforms"].as_array().unwrap() {
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = (labels["os"].as_str().unwrap(), labels["arch"].as_str().unwrap());
        let (suffix, extension) = if os == "windows" { (".exe", "zip") } else { ("", "tar.gz") };
        assert_eq!(platform["bin"], format!("kubectl-synxdb{suffix}"));
        let uri = platform["uri"].as_str().unwrap();
        let archive = format!("/{version}/kubectl-synxdb_{version}_{os}_{arch}.{extension}");
        assert!(uri.starts_with("https://") && uri.ends_with(&archive), "{uri} does not end with {archive}");
        let sum = platform["sha256"].as_str().unwrap();
        assert!(sum.len() == 64 && sum.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{sum}");
        // Everything in the archive is installed, including LICENSE: krew recommends omitting the list.
        assert!(platform.get("files").is_none());
        seen.push(format!("{os}/{arch}"));
    }
    assert_eq!(seen.first().map(String::as_str), Some("linux/amd64"), "{seen:?}");
    let order: Vec<_> = PLATFORMS.iter().filter(|platform| seen.iter().any(|seen| seen == *platform)).collect();
    assert!(seen.iter().eq(order), "each once, in order: {seen:?}");
}

/// krew's naming and manifest guides, as far as a file can follow them.
#[test]
fn the_manifest_follows_krews_guides() {
    let manifest: Value = serde_saphyr::from_str(&read("plugin.yaml")).unwrap();
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(manifest["kind"], "Plugin");
    let name = manifest["metadata"]["name"].as_str().unwrap();
    assert_eq!(format!("kubectl-{name}"), env!("CARGO_PKG_NAME"));
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !name.contains("kube"), "{name}");
    let short = manifest["spec"]["shortDescription"].as_str().unwrap();
    assert!(short.len() <= 50 && !short.contains("kubectl") && !short.ends_with('.'), "{short}");
    // No list of commands or flags: --help has them.
    let description = manifest["spec"]["description"].as_str().unwrap();
    assert!(!description.contains("kubectl synxdb") && !description.contains("--"), "{description}");
    assert!(description.lines().all(|line| line.len() <= 80));
}
