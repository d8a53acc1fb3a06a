//! The shader files, which are part of the binary.

/// Every file in `shaders/`: its path there without extension, and its text. The build script writes the
/// table.
pub(in crate::gpu) static FILES: &[(&str, &str)] =
    include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// The path of a file, where there is one.
pub(super) fn path(path: &str) -> Option<&'static str> {
    let at = FILES.binary_search_by_key(&path, |&(path, _)| path).ok()?;
    Some(FILES[at].0)
}

/// The text of a file; none where there is no such file.
pub(super) fn text(path: &str) -> Option<&'static str> {
    let at = FILES.binary_search_by_key(&path, |&(path, _)| path).ok()?;
    Some(FILES[at].1)
}

/// What a file says that it does: the first sentence of the comment at its beginning.
pub(in crate::gpu) fn summary(path: &str) -> Option<String> {
    let lines = text(path)?.lines();
    let comment = lines.map_while(|line| line.strip_prefix("//"));
    let comment: Vec<&str> = comment.map(str::trim).collect();
    let comment = comment.join(" ");
    let sentence = comment
        .split_once(". ")
        .map_or(comment.as_str(), |(first, _)| first);
    Some(sentence.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_path() {
        assert!(FILES.is_sorted_by_key(|&(path, _)| path));
        for (path, expected) in FILES {
            assert_eq!(text(path), Some(*expected), "{path}");
        }
        assert_eq!(text("shared/none"), None);
    }

    #[test]
    fn every_file_opens_with_what_it_does_and_is_short() {
        for (path, text) in FILES {
            let sentence = summary(path).expect("a file");
            assert!(sentence.len() > 10, "{path}: {sentence}");
            assert!(text.lines().count() <= 150, "{path} is long");
        }
    }
}
