//! Access to storage pages, the token that they may need and the verification of HTTPS servers: flags of every command that
//! reads them.

use super::SecretKey;
use clap::Args;
use std::path::PathBuf;

const PAGES: &str = "Storage pages";

/// Where to find the token and the certificate authorities. There is no flag for the token itself: every user of the machine can
/// see a command line.
#[derive(Args, Clone, Debug, Default)]
pub struct PageArgs {
    /// File with the token (JWT) for the pages of safekeepers and pageservers: idle timelines and bytes of WAL are then compared, too
    #[arg(long, value_name = "FILE", conflicts_with = "page_token_secret", help_heading = PAGES)]
    pub page_token_file: Option<PathBuf>,
    /// Secret and key that hold that token; NAME/KEY is in the pod's namespace
    #[arg(long, value_name = "[NAMESPACE/]NAME/KEY", help_heading = PAGES)]
    pub page_token_secret: Option<SecretKey>,
    /// Certificate authorities for pages that the layout says are served over HTTPS: a file, or `system`
    #[arg(long, value_name = "FILE", conflicts_with = "page_ca_secret", help_heading = PAGES)]
    pub page_ca_file: Option<PathBuf>,
    /// Secret and key that hold these authorities; NAME/KEY is in the pod's namespace
    #[arg(long, value_name = "[NAMESPACE/]NAME/KEY", help_heading = PAGES)]
    pub page_ca_secret: Option<SecretKey>,
    /// Server name that the certificate of such a page must carry [default: POD or POD.NAMESPACE]
    #[arg(long, value_name = "NAME", help_heading = PAGES)]
    pub page_server_name: Option<String>,
}
