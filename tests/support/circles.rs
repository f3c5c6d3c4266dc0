//! Reads which files of a crate import each other, to find circles: to understand a file, one should need only those below
//! it.
//!
//! Imports are read from the syntax: `use` declarations and paths in code, also within macros. A name that a module
//! re-exports counts as an import of the file that defines it. Unit tests (`#[cfg(test)]`) do not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// A module's path from the crate's root; empty for the root.
type Module = Vec<String>;

/// One file: the names that it declares for others, and the paths that it uses.
#[derive(Default)]
struct Source {
    file: PathBuf,
    /// What `use` imports: each name, and its path as written.
    names: BTreeMap<String, Module>,
    /// Modules of which `use` imports every name.
    globs: Vec<Module>,
    /// Paths in the code, as written.
    paths: BTreeSet<Module>,
    /// Whether other files are modules of this one.
    has_children: bool,
    /// Whether it holds anything but `mod` and `use`.
    defines: bool,
}

/// The files of a crate.
pub(crate) struct Crate {
    src: PathBuf,
    modules: BTreeMap<Module, Source>,
}

impl Crate {
    /// Reads `lib.rs` in `src`, and every file that is a module of it.
    ///
    /// # Panics
    /// A file cannot be read or parsed.
    pub(crate) fn read(src: &Path) -> Self {
        let mut modules = BTreeMap::new();
        let mut left = VecDeque::from([(Module::new(), src.join("lib.rs"))]);
        while let Some((module, file)) = left.pop_front() {
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let mut source = Source { file, ..Source::default() };
            for item in &syntax.items {
                match item {
                    syn::Item::Mod(child) if child.content.is_none() => {
                        if !is_for_tests(&child.attrs) {
                            source.has_children = true;
                            let path = module.iter().cloned().chain([child.ident.to_string()]).collect();
                            left.push_back((path, child_file(&source.file, child)));
                        }
                    }
                    syn::Item::Mod(child) if is_for_tests(&child.attrs) => {}
                    syn::Item::Use(_) => {}
                    _ => source.defines = true,
                }
            }
            source.visit_file(&syntax);
            // Of two files for one module (`cfg`), the first counts.
            modules.entry(module).or_insert(source);
        }
        Self { src: src.to_owned(), modules }
    }

    /// Returns the number of files, and that of imports between them.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.modules.len(), self.imports().values().map(BTreeSet::len).sum())
    }

    /// Returns the circles, one line each: from every file that is on one, the shortest way back to it.
    pub(crate) fn circles(&self) -> BTreeSet<String> {
        let imports = self.imports();
        let circles = imports.keys().filter_map(|start| shortest_circle(start, &imports));
        circles
            .map(|circle| circle.into_iter().map(|module| self.name(module)).collect::<Vec<_>>().join(" -> "))
            .collect()
    }

    /// Returns the files that have modules in other files and define something themselves: what they define belongs in a
    /// file of its own, which those modules can import.
    pub(crate) fn parents_that_define(&self) -> Vec<String> {
        let parents = self.modules.iter().filter(|(_, source)| source.has_children && source.defines);
        parents.map(|(module, _)| self.name(module)).collect()
    }

    fn name(&self, module: &Module) -> String {
        let file = &self.modules[module].file;
        file.strip_prefix(&self.src).unwrap_or(file).display().to_string().replace('\\', "/")
    }

    /// Turns a path as a module writes it into one from the root; `None` if it leads into another crate.
    fn absolute(&self, within: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Module::new(),
            "self" => within.clone(),
            "super" => within[..within.len().checked_sub(1)?].to_vec(),
            name => {
                let child: Module = within.iter().cloned().chain([name.to_owned()]).collect();
                if !self.modules.contains_key(&child) {
                    let imported = self.modules[within].names.get(name)?;
                    // A path that begins with its own name is that of another crate.
                    let imported = (imported.first() != Some(first)).then(|| self.absolute(within, imported))??;
                    return Some(imported.into_iter().chain(rest.iter().cloned()).collect());
                }
                child
            }
        };
        let ups = rest.iter().take_while(|segment| *segment == "super").count();
        base.truncate(base.len().checked_sub(ups)?);
        base.extend(rest[ups..].iter().cloned());
        Some(base)
    }

    /// Returns the module that defines what a path from the root names, following re-exports.
    fn definer(&self, path: &[String], depth: usize) -> Option<&Module> {
        let known = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let (module, source) = self.modules.get_key_value(&path[..known])?;
        let Some(name) = path.get(known) else { return Some(module) };
        if depth > 0 {
            let onward = source.names.get(name).and_then(|imported| self.absolute(module, imported));
            if let Some(mut onward) = onward {
                onward.extend(path[known + 1..].iter().cloned());
                return self.definer(&onward, depth - 1);
            }
            for glob in source.globs.iter().filter_map(|glob| self.absolute(module, glob)) {
                let through: Module = glob.iter().cloned().chain(path[known..].iter().cloned()).collect();
                let found = self.definer(&through, depth - 1);
                if found.is_some_and(|found| *found != glob) {
                    return found;
                }
            }
        }
        Some(module)
    }

    /// Returns the modules that each module imports.
    fn imports(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        const MOST_REEXPORTS: usize = 8;
        let of = |module: &Module, source: &Source| {
            let used = source.names.values().chain(&source.globs).chain(&source.paths);
            let found = used.filter_map(|path| self.definer(&self.absolute(module, path)?, MOST_REEXPORTS));
            found.filter(|found| *found != module).collect::<BTreeSet<_>>()
        };
        self.modules.iter().map(|(module, source)| (module, of(module, source))).collect()
    }
}

/// Returns the shortest way from a module back to itself, rotated so that one circle always reads the same.
fn shortest_circle<'m>(
    start: &'m Module,
    imports: &BTreeMap<&'m Module, BTreeSet<&'m Module>>,
) -> Option<Vec<&'m Module>> {
    let mut before: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut left = VecDeque::from([start]);
    while let Some(module) = left.pop_front() {
        for next in &imports[module] {
            if !before.contains_key(next) {
                before.insert(next, module);
                left.push_back(next);
            }
        }
    }
    let mut way = vec![start];
    let mut at = *before.get(start)?;
    while at != start {
        way.push(at);
        at = before[at];
    }
    way.reverse();
    let first = way.iter().enumerate().min_by_key(|(_, module)| **module).map_or(0, |(index, _)| index);
    way.rotate_left(first);
    Some(way)
}

/// Returns the file of a module that a file declares.
fn child_file(parent: &Path, child: &syn::ItemMod) -> PathBuf {
    let folder = parent.parent().unwrap_or(Path::new(""));
    let path = child.attrs.iter().find(|attribute| attribute.path().is_ident("path"));
    if let Some(attribute) = path {
        let syn::Meta::NameValue(syn::MetaNameValue {
            value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }),
            ..
        }) = &attribute.meta
        else {
            panic!("#[path] of {} in {}", child.ident, parent.display());
        };
        return folder.join(text.value());
    }
    let is_root = parent.file_name().is_some_and(|name| name == "lib.rs" || name == "mod.rs");
    let folder = if is_root { folder.to_owned() } else { parent.with_extension("") };
    let file = folder.join(format!("{}.rs", child.ident));
    if file.exists() { file } else { folder.join(child.ident.to_string()).join("mod.rs") }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all (test"))
    })
}

/// Returns the paths in a macro's tokens; string literals are skipped.
fn paths_in(tokens: &str) -> Vec<Module> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut path, mut joined) = (Vec::new(), Module::new(), false);
    let mut rest = tokens;
    while let Some(c) = rest.chars().next() {
        let length = if is_word(c) {
            if !joined {
                found.push(std::mem::take(&mut path));
            }
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            path.push(rest[..length].to_owned());
            joined = false;
            length
        } else if rest.starts_with("::") {
            joined = !path.is_empty();
            2
        } else if c == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            found.push(std::mem::take(&mut path));
            joined = false;
            end.map_or(rest.len(), |end| end + 2)
        } else {
            if !c.is_whitespace() {
                found.push(std::mem::take(&mut path));
                joined = false;
            }
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    found.push(path);
    found.retain(|path| path.len() > 1);
    found
}

impl Source {
    fn take(&mut self, tree: &syn::UseTree, before: &Module) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Module>();
        match tree {
            syn::UseTree::Path(path) => self.take(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) if name.ident == "self" => {
                if let Some(last) = before.last() {
                    self.names.insert(last.clone(), before.clone());
                }
            }
            syn::UseTree::Name(name) => {
                self.names.insert(name.ident.to_string(), with(&name.ident));
            }
            syn::UseTree::Rename(renamed) => {
                let path = if renamed.ident == "self" { before.clone() } else { with(&renamed.ident) };
                self.names.insert(renamed.rename.to_string(), path);
            }
            syn::UseTree::Glob(_) => self.globs.push(before.clone()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.take(tree, before)),
        }
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.take(&item.tree, &Module::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.paths.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.paths.extend(paths_in(&call.tokens.to_string()));
        visit::visit_macro(self, call);
    }
}
