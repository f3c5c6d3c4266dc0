//! A Markdown file, as far as tests need it: its headings, links, inline code and code blocks.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;
use std::path::{Path, PathBuf};

pub(crate) struct Document {
    /// Relative to the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// The anchors of its headings, as GitHub generates them.
    pub(crate) anchors: Vec<String>,
    pub(crate) links: Vec<String>,
    /// Inline `code`.
    pub(crate) inline: Vec<String>,
    pub(crate) blocks: Vec<Block>,
    /// Where the part that is generated from the command line ends.
    pub(crate) generated: usize,
}

/// A block of code.
pub(crate) struct Block {
    /// The info string after the fence; `None` if the block is indented.
    pub(crate) language: Option<String>,
    pub(crate) text: String,
    /// Its range in the file, including the fences.
    pub(crate) range: Range<usize>,
    /// The comments directly before it.
    pub(crate) comments: Vec<String>,
}

impl Document {
    pub(crate) fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = std::fs::read_to_string(super::root().join(&path)).unwrap_or_else(|why| panic!("{path:?}: {why}"));
        let mut document = Self {
            generated: text.find("<!-- The end mark.").unwrap_or(0),
            path,
            text,
            anchors: Vec::new(),
            links: Vec::new(),
            inline: Vec::new(),
            blocks: Vec::new(),
        };
        document.take_apart();
        document
    }

    fn take_apart(&mut self) {
        let mut heading: Option<String> = None;
        let mut block: Option<Block> = None;
        let mut comments = Vec::new();
        let text = self.text.clone();
        for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => self.anchor(&heading.take().unwrap()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    self.links.push(dest_url.into_string());
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(info) => Some(info.into_string()),
                        CodeBlockKind::Indented => None,
                    };
                    let comments = std::mem::take(&mut comments);
                    block = Some(Block { language, text: String::new(), range, comments });
                }
                Event::End(TagEnd::CodeBlock) => self.blocks.push(block.take().unwrap()),
                Event::Text(part) => {
                    if let Some(block) = &mut block {
                        block.text.push_str(&part);
                    } else if let Some(heading) = &mut heading {
                        heading.push_str(&part);
                    }
                }
                Event::Code(code) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&code);
                    }
                    self.inline.push(code.into_string());
                }
                Event::Html(html) => {
                    let html = html.trim();
                    if let Some(comment) = html.strip_prefix("<!--").and_then(|html| html.strip_suffix("-->")) {
                        comments.push(comment.trim().to_owned());
                    }
                    self.raw_links(html);
                }
                Event::InlineHtml(html) => self.raw_links(&html),
                Event::Start(Tag::Paragraph | Tag::Table(_) | Tag::List(_)) => comments.clear(),
                _ => {}
            }
        }
    }

    /// Collects the links in HTML.
    fn raw_links(&mut self, html: &str) {
        for name in ["href=\"", "src=\"", "srcset=\""] {
            self.links.extend(html.split(name).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }

    fn anchor(&mut self, heading: &str) {
        let kept = heading.to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let same = self.anchors.iter().filter(|known| **known == anchor).count();
        self.anchors.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
    }

    /// Returns file and line of an offset, for error messages.
    pub(crate) fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.path.display(), self.text[..offset].lines().count() + 1)
    }
}

/// Returns the documents for users: the README and all pages.
pub(crate) fn for_users() -> Vec<Document> {
    let mut paths = vec![PathBuf::from("README.md")];
    pages(Path::new("docs"), &mut paths);
    paths.into_iter().map(Document::read).collect()
}

/// Returns all documents, including those for contributors.
pub(crate) fn all() -> Vec<Document> {
    let mut all = for_users();
    all.extend(["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(Document::read));
    all
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(super::root().join(folder))
        .unwrap()
        .map(|entry| folder.join(entry.unwrap().file_name()))
        .collect();
    entries.sort();
    for path in entries {
        if super::root().join(&path).is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}
