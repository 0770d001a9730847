use super::*;

fn codes(name: &str, files: &ConfigFiles) -> Vec<String> {
    files.problems(name).into_iter().map(|problem| problem.code).collect()
}

/// A folder of this test's own.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("bluegreen-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn the_digest_is_of_names_and_content_in_any_order() {
    let one = ConfigFiles::new([("a", "1"), ("b", "2")]);
    assert_eq!(one, ConfigFiles::new([("b", "2"), ("a", "1")]));
    for other in [[("a", "2"), ("b", "1")], [("a", "1"), ("c", "2")], [("a1", ""), ("b", "2")]] {
        assert_ne!(one, ConfigFiles::new(other));
    }
}

#[test]
fn a_record_has_the_digest_and_nothing_else() {
    let files = ConfigFiles::new([("system.txt", "be kind")]);
    let stored = serde_json::to_string(&files).unwrap();
    assert_eq!(stored, format!("\"{}\"", files.digest()));
    let read: ConfigFiles = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, files);
    assert!(read.content().is_none());
    assert!(!format!("{files:?}").contains("be kind"), "{files:?}");
}

#[test]
fn a_folder_is_read_as_it_is() {
    let folder = Folder::new("files");
    std::fs::write(folder.0.join("system.txt"), "be kind").unwrap();
    std::fs::write(folder.0.join("logo.bin"), [0xff, 0]).unwrap();
    let files = ConfigFiles::read(&folder.0).unwrap();
    assert_eq!(files.content().unwrap()["system.txt"], "be kind");
    assert_eq!(files.content().unwrap()["logo.bin"], [0xff, 0].as_slice());
}

#[test]
fn everything_wrong_with_a_folder_is_told_at_once() {
    let folder = Folder::new("wrong");
    let empty = ConfigFiles::read(&folder.0).unwrap_err();
    assert!(empty.chain().contains("found no files"), "{}", empty.chain());
    std::fs::create_dir(folder.0.join("more")).unwrap();
    std::fs::write(folder.0.join("big"), vec![b'x'; MAX_CONFIG + 1]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", folder.0.join("passwd")).unwrap();
    let error = ConfigFiles::read(&folder.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let chain = error.chain();
    assert!(chain.contains("more: found a folder"), "{chain}");
    assert!(chain.contains("big: found 1048577 bytes"), "{chain}");
    assert!(!cfg!(unix) || chain.contains("passwd: found a link"), "{chain}");
    let missing = ConfigFiles::read(folder.0.join("nowhere")).unwrap_err();
    assert!(missing.chain().contains("nowhere"), "{}", missing.chain());
}

#[test]
fn what_no_config_map_can_hold_is_named() {
    let good = ConfigFiles::new([("system.txt", "be kind")]);
    for name in ["agent-prompts", "a", "a.b-c.d0"] {
        assert_eq!(codes(name, &good), Vec::<String>::new(), "{name}");
    }
    for name in ["", "Agent", "a_b", "-a", "a.", "a..b", &"a".repeat(241)] {
        assert_eq!(codes(name, &good), ["malformed-config-map"], "{name}");
    }
    let bad = ConfigFiles::new([("..data", "x"), ("a/b", "x"), ("", "x"), ("fine_1.txt", "x")]);
    assert_eq!(codes("a", &bad), ["malformed-file"; 3]);
    assert_eq!(codes("a", &ConfigFiles::new([("a", ""); 0])), ["empty-config"]);
    let full = ConfigFiles::new([("a", vec![0; MAX_CONFIG])]);
    assert_eq!(codes("a", &full), Vec::<String>::new());
    let large = ConfigFiles::new([("a", vec![0; MAX_CONFIG]), ("b", vec![0])]);
    assert_eq!(codes("a", &large), ["config-too-large"]);
}
