use std::cell::RefCell;

use super::*;

thread_local! {
    /// What this module logged on this thread, which runs one test at a time.
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("fmnist_gpu::tune")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {}", record.level(), record.args());
            LOGGED.with_borrow_mut(|lines| lines.push(line));
        }
    }

    fn flush(&self) {}
}

/// The warnings since the last call.
fn warnings() -> Vec<String> {
    LOGGED.with_borrow_mut(std::mem::take)
}

/// A folder of the test's own, and the cache's place in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    // Every test but the first finds it done.
    let _ = log::set_logger(&Logger);
    log::set_max_level(log::LevelFilter::Info);
    // Of the test before, where they share a thread.
    warnings();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/fmnist-gpu/kernels.json");
    (folder, path)
}

fn key(shape: impl Into<String>, mode: TuningEffort) -> CacheKey {
    CacheKey {
        adapter: "Great \"Graphics\" 7 🏎".into(),
        backend: "vulkan".into(),
        driver: "great 1.2.3\n(beta)".into(),
        shaders: "00ff".repeat(16),
        precision: "int8".into(),
        scheme: "dynamic".into(),
        shape: shape.into(),
        mode,
    }
}

fn quick(shape: impl Into<String>) -> CacheKey {
    key(shape, TuningEffort::Quick)
}

fn entry(kernel: &str) -> CacheEntry {
    CacheEntry::new(kernel, 1234)
}

fn kernel<'a>(cache: &'a Cache, key: &CacheKey) -> Option<&'a str> {
    cache.get(key).map(|entry| entry.kernel.as_str())
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A cache of one entry as it stands in the file.
fn sound() -> String {
    let record = CacheRecord {
        key: quick("a"),
        entry: entry("one"),
    };
    String::from_utf8(encode(vec![record]).unwrap().0).unwrap()
}

#[test]
fn what_is_saved_is_there_in_the_next_run() {
    let (_folder, path) = place();
    let mut cache = Cache::open_at(&path);
    assert_eq!(cache.path(), Some(path.as_path()));
    assert_eq!(cache.get(&quick("a")), None);
    let won = CacheEntry::new("fused_16x16", u64::MAX);
    cache.put(quick("a"), won.clone());
    assert_eq!(cache.get(&quick("a")), Some(&won), "before it is saved");
    assert!(!path.exists());
    cache.save().unwrap();
    assert_eq!(cache.get(&quick("a")), Some(&won));

    let mut cache = Cache::open_at(&path);
    assert_eq!(cache.get(&quick("a")), Some(&won));
    // Each part of the key counts.
    let change: [fn(&mut CacheKey); 7] = [
        |key| key.adapter.push('x'),
        |key| key.backend.push('x'),
        |key| key.driver.push('x'),
        |key| key.shaders.push('x'),
        |key| key.precision.push('x'),
        |key| key.scheme.push('x'),
        |key| key.shape.push('x'),
    ];
    for change in change {
        let mut other = quick("a");
        change(&mut other);
        assert_eq!(cache.get(&other), None, "{other:?}");
    }
    cache.put(quick("a"), entry("passes"));
    cache.save().unwrap();
    let cache = Cache::open_at(&path);
    assert_eq!(kernel(&cache, &quick("a")), Some("passes"));
    assert_eq!(cache.known.len(), 1, "the older one is replaced");
    assert_eq!(warnings(), [""; 0]);
}

#[test]
fn the_file_is_for_a_reader_too() {
    let text = sound();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["version"], 1);
    let first = &json["entries"][0];
    assert_eq!(first["key"]["shape"], "a");
    assert_eq!(first["key"]["mode"], TuningEffort::Quick.name());
    assert_eq!(first["kernel"], "one");
    assert_eq!(first["nanoseconds"], 1234);
    let date = first["date"].as_str().unwrap();
    assert!(humantime::parse_rfc3339(date).is_ok(), "{date}");
}

#[test]
fn a_full_search_answers_a_quick_question_and_not_the_other_way_round() {
    let (_folder, path) = place();
    let mut cache = Cache::open_at(&path);
    let full = key("a", TuningEffort::Full);
    cache.put(quick("a"), entry("quick"));
    assert_eq!(cache.get(&full), None);
    assert_eq!(kernel(&cache, &quick("a")), Some("quick"));
    cache.put(full.clone(), entry("full"));
    cache.put(quick("a"), entry("later"));
    for _ in 0..2 {
        assert_eq!(kernel(&cache, &quick("a")), Some("full"));
        assert_eq!(kernel(&cache, &full), Some("full"));
        cache.save().unwrap();
        cache = Cache::open_at(&path);
    }
}

#[test]
fn two_writers_keep_each_others_winners_and_the_last_of_one_key_wins() {
    let (_folder, path) = place();
    let mut first = Cache::open_at(&path);
    let mut second = Cache::open_at(&path);
    first.put(quick("a"), entry("first"));
    first.put(quick("both"), entry("first"));
    first.save().unwrap();
    second.put(quick("b"), entry("second"));
    second.put(quick("both"), entry("second"));
    second.save().unwrap();
    assert_eq!(kernel(&second, &quick("a")), Some("first"));

    // The first knows an older winner of a key, and does not write it back.
    first.put(quick("c"), entry("first"));
    first.save().unwrap();
    for cache in [first, Cache::open_at(&path)] {
        for (shape, name) in [
            ("a", "first"),
            ("b", "second"),
            ("both", "second"),
            ("c", "first"),
        ] {
            assert_eq!(kernel(&cache, &quick(shape)), Some(name), "{shape}");
        }
    }
}

#[test]
fn a_damaged_file_is_reported_once_and_replaced() {
    let sound = sound();
    let other = |from: &str, to: &str| {
        assert!(sound.contains(from), "{from}");
        sound.replace(from, to).into_bytes()
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".into(), "ends too early"),
        (b"\n\n".into(), "ends too early"),
        (b"not JSON".into(), "not JSON (line 1"),
        (b"{} {}".into(), "missing"),
        (format!("{sound}x").into(), "not JSON"),
        (b"[]".into(), "missing"),
        (b"null".into(), "another type"),
        (b"{}".into(), "missing"),
        (b"{\"version\": 1}".into(), "missing"),
        (b"{\"version\": 1, \"entries\": {}}".into(), "another type"),
        (b"{\"version\": 1, \"entries\": [1]}".into(), "another type"),
        (
            other(": 1,", ": 2,"),
            "version is 2, but this program reads 1",
        ),
        (
            other(": 1,", ": 0,"),
            "version is 0, but this program reads 1",
        ),
        (other(": 1,", ": 4294967297,"), "version is 4294967297"),
        (other(": 1,", ": -1,"), "another type"),
        (other(": 1,", ": 1.0,"), "another type"),
        (other(": 1,", ": \"1\","), "another type"),
        (other("1234", "\"1234\""), "another type"),
        (other("1234", "-1"), "another type"),
        (other("1234", "1e999"), "not JSON"),
        (other("1234", "18446744073709551616"), "another type"),
        (other("\"quick\"", "\"\\u001b[2J\""), "another type"),
        (other("\"kernel\"", "\"colonel\""), "missing"),
        (other("\"driver\"", "\"shape\""), "missing"),
        (other("\"one\"", "\"\\ud800\""), "not JSON"),
        (other("\"one\"", "\"\u{7}\""), "not JSON"),
        ("[".repeat(100_000).into(), "another type"),
        (
            other("\"version\"", &format!("\"x\": {}", "[".repeat(9999))),
            "not JSON",
        ),
        (b"\xff\xfe{\0}\0".into(), "not UTF-8 at byte 0"),
        (vec![0; 4096], "not JSON"),
        (
            vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1],
            "1048577 bytes",
        ),
    ];
    let (_folder, path) = place();
    for (bytes, reason) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        write(&path, &bytes);
        assert_replaced(&path, reason, &shown);
    }
    // Wherever it is cut.
    let ends = (1..sound.len()).filter(|end| sound.is_char_boundary(*end));
    for end in ends.step_by(7) {
        write(&path, &sound[..end]);
        assert_replaced(&path, "ends too early", &sound[..end]);
    }
}

/// Opens what is damaged, and saves over it.
fn assert_replaced(path: &Path, reason: &str, shown: &str) {
    let mut cache = Cache::open_at(path);
    assert!(cache.known.is_empty(), "{shown}");
    cache.put(quick("a"), entry("new"));
    cache.save().unwrap();
    let warnings = warnings();
    assert_eq!(warnings.len(), 1, "{shown}: {warnings:?}");
    let warning = &warnings[0];
    assert!(warning.starts_with("WARN "), "{warning}");
    assert!(warning.contains(path.to_str().unwrap()), "{warning}");
    assert!(warning.contains(reason), "{shown}: {warning}");
    assert!(
        warning.len() < 300 && !warning.contains('\u{1b}'),
        "{warning}"
    );
    let cache = Cache::open_at(path);
    assert_eq!(kernel(&cache, &quick("a")), Some("new"), "{shown}");
    assert_eq!(self::warnings(), [""; 0], "{shown}");
}

#[test]
fn a_folder_in_its_place_is_replaced_where_it_is_empty() {
    let (_folder, path) = place();
    fs::create_dir_all(&path).unwrap();
    assert_replaced(&path, "not a regular file", "an empty folder");

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("precious"), b"").unwrap();
    let mut cache = Cache::open_at(&path);
    cache.put(quick("a"), entry("new"));
    assert!(matches!(cache.save(), Err(Error::Output { .. })));
    assert!(path.join("precious").exists());
    assert_eq!(warnings().len(), 1);
}

/// A special file as well, which must not be waited for. A socket is one that std can make.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_neither_read_nor_written() {
    let (folder, _) = place();
    let path = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut cache = Cache::open_at(&path);
    cache.put(quick("a"), entry("new"));
    assert!(matches!(cache.save(), Err(Error::Output { .. })));
    assert_eq!(warnings().len(), 1);
}

#[test]
fn what_is_damaged_between_two_saves_loses_nothing() {
    let (_folder, path) = place();
    let mut cache = Cache::open_at(&path);
    for (shape, bytes) in [("a", "{"), ("b", "["), ("c", "")] {
        cache.put(quick(shape), entry("one"));
        cache.save().unwrap();
        fs::write(&path, bytes).unwrap();
    }
    cache.put(quick("d"), entry("one"));
    cache.save().unwrap();
    assert_eq!(warnings().len(), 1);
    let cache = Cache::open_at(&path);
    for shape in ["a", "b", "c", "d"] {
        assert_eq!(kernel(&cache, &quick(shape)), Some("one"), "{shape}");
    }
}

#[test]
fn fields_of_a_later_program_are_kept() {
    let (_folder, path) = place();
    let text = sound().replace("\"kernel\"", "\"color\": [{}], \"kernel\"");
    write(&path, text.replace("\"version\"", "\"by\": 1, \"version\""));
    let cache = Cache::open_at(&path);
    assert_eq!(kernel(&cache, &quick("a")), Some("one"));
    assert_eq!(warnings(), [""; 0]);
}

#[test]
fn the_oldest_go_where_there_are_too_many() {
    let (_folder, path) = place();
    let mut cache = Cache::open_at(&path);
    for index in 0..MAX_ENTRIES + 3 {
        cache.put(quick(index.to_string()), entry("one"));
        // A winner that is found again is no longer old.
        if index == 9 {
            cache.put(quick("0"), entry("again"));
        }
        if index % 100 == 0 {
            cache.save().unwrap();
        }
    }
    cache.save().unwrap();
    for cache in [cache, Cache::open_at(&path)] {
        assert_eq!(cache.known.len(), MAX_ENTRIES);
        assert_eq!(kernel(&cache, &quick("0")), Some("again"));
        for (index, there) in [(1, false), (3, false), (4, true), (MAX_ENTRIES + 2, true)] {
            let found = cache.get(&quick(index.to_string())).is_some();
            assert_eq!(found, there, "{index}");
        }
    }
    let mut cache = Cache::at(None);
    for index in 0..2 * MAX_ENTRIES {
        cache.put(quick(index.to_string()), entry("one"));
    }
    assert_eq!(cache.fresh.len(), MAX_ENTRIES, "without a file too");

    // A file with more of them than this program would write.
    let mut contents: Contents = serde_json::from_str(&sound()).unwrap();
    contents.entries = vec![contents.entries[0].clone(); MAX_ENTRIES + 1];
    contents.entries[MAX_ENTRIES].entry.kernel = "last".into();
    write(&path, serde_json::to_vec(&contents).unwrap());
    let cache = Cache::open_at(&path);
    assert_eq!(cache.known.len(), MAX_ENTRIES);
    assert_eq!(kernel(&cache, &quick("a")), Some("last"));
}

#[test]
fn no_file_is_written_that_would_not_be_read() {
    let (_folder, path) = place();
    let mut cache = Cache::open_at(&path);
    for index in 0..100 {
        cache.put(quick(format!("{index} {}", "x".repeat(20_000))), entry("x"));
    }
    cache.put(quick("last"), entry("one"));
    cache.save().unwrap();
    assert!(fs::metadata(&path).unwrap().len() <= MAX_BYTES);
    let mut cache = Cache::open_at(&path);
    assert_eq!(kernel(&cache, &quick("last")), Some("one"));
    assert!(cache.known.len() > 20, "{}", cache.known.len());
    // Nothing fits beside such a name, or instead of it.
    cache.put(quick("x".repeat(2 << 20)), entry("x"));
    cache.save().unwrap();
    assert!(Cache::open_at(&path).known.is_empty());
    assert_eq!(warnings(), [""; 0]);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_that_loses_nothing() {
    let (folder, _) = place();
    // A read-only folder would not stop root; a plain file in a folder's place does.
    let blocker = folder.path().join("below");
    fs::write(&blocker, b"precious").unwrap();
    let path = blocker.join("fmnist-gpu/kernels.json");
    let mut cache = Cache::open_at(&path);
    cache.put(quick("a"), entry("one"));
    for _ in 0..2 {
        let error = cache.save().unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert_eq!(error.exit_code(), 1);
        assert_eq!(kernel(&cache, &quick("a")), Some("one"));
    }
    assert_eq!(fs::read(&blocker).unwrap(), b"precious");

    // Once it can be, all is written.
    fs::remove_file(&blocker).unwrap();
    cache.save().unwrap();
    let cache = Cache::open_at(&path);
    assert_eq!(kernel(&cache, &quick("a")), Some("one"));
}

#[test]
fn a_save_without_news_writes_nothing() {
    let (_folder, path) = place();
    Cache::open_at(&path).save().unwrap();
    assert!(!path.parent().unwrap().exists());
    // In memory only.
    let mut cache = Cache::at(None);
    cache.put(quick("a"), entry("one"));
    cache.save().unwrap();
    assert_eq!(kernel(&cache, &quick("a")), Some("one"));
}
