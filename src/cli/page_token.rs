//! What storage pages are shown where they ask for a token: flags that every command takes that reads them.

use super::SecretKey;
use clap::Args;
use std::path::PathBuf;

const PAGES: &str = "Storage pages";

/// Where the token is. The token itself is never among them: anybody on the machine sees a command line.
#[derive(Args, Clone, Debug, Default)]
pub struct PageTokenArgs {
    /// File with the token (JWT) for the pages of safekeepers and pageservers: idle timelines are then compared, too
    #[arg(long, value_name = "FILE", conflicts_with = "page_token_secret", help_heading = PAGES)]
    pub page_token_file: Option<PathBuf>,
    /// Secret and key that hold that token; NAME/KEY is in the pod's namespace
    #[arg(long, value_name = "[NAMESPACE/]NAME/KEY", help_heading = PAGES)]
    pub page_token_secret: Option<SecretKey>,
}
