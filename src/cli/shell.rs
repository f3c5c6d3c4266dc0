//! Quoting for printed commands.

/// Quotes a word for a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell reads a quoted word as the word.
    #[test]
    fn a_shell_reads_the_word_again() {
        for word in ["", "plain-0", "a b", "$(touch x)", "`x`", "; touch x", "it's", "-n", "~", "*", "a\nb", "\"", "\\"]
        {
            assert_eq!(shlex::split(&quoted(word)), Some(vec![word.to_owned()]), "{word:?}");
        }
        assert_eq!(quoted("synxdb-system/safekeeper-0"), "synxdb-system/safekeeper-0");
    }
}
