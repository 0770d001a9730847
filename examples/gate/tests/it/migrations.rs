//! Migrations, judged by the program.

use crate::program::{Folder, gate};

/// Two files, of which the second drops a column.
fn release(folder: &Folder) -> String {
    let path = folder.path("sql");
    std::fs::create_dir_all(&path).unwrap();
    let write = |name: &str, text: &str| std::fs::write(format!("{path}/{name}"), text).unwrap();
    write("0007_note.sql", "SET lock_timeout = '2s';\nALTER TABLE orders ADD COLUMN note text;\n");
    write("0008_remark.sql", "SET lock_timeout = '2s';\nALTER TABLE orders DROP COLUMN remark;\n");
    path
}

#[tokio::test]
async fn what_breaks_the_other_slot_fails_with_its_place_and_what_to_do() {
    let folder = Folder::new();
    let (sql, json) = (release(&folder), folder.path("found.json"));
    let ended = gate(&["migrations", &sql, "--dialect", "postgres", "--json", &json]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let place = "0008_remark.sql:2:1: drop-column (breaks the other slot)";
    assert!(ended.out.contains(place), "{}", ended.out);
    assert!(ended.out.contains("instead: "), "{}", ended.out);
    let found: serde_json::Value = serde_json::from_str(&folder.read("found.json")).unwrap();
    assert_eq!(found["findings"].as_array().unwrap().len(), 1);
    assert_eq!(found["findings"][0]["rule"], "drop-column");
}

#[tokio::test]
async fn what_is_safe_passes_and_so_does_contracting() {
    let folder = Folder::new();
    let sql = release(&folder);
    let first = format!("{sql}/0007_note.sql");
    let ended = gate(&["migrations", &first, "--dialect", "postgres"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("pass: 2 statements"), "{}", ended.out);
    let later = ["migrations", &sql, "--dialect", "postgres", "--applied", "0007", "--contract"];
    assert_eq!(gate(&later).await.code, Some(0));
}

#[tokio::test]
async fn what_cannot_be_judged_is_neither() {
    let folder = Folder::new();
    let missing = folder.path("nowhere");
    let ended = gate(&["migrations", &missing, "--dialect", "mysql"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.err.contains("nowhere"), "{}", ended.err);
    assert_eq!(gate(&["migrations", &missing]).await.code, Some(3));
}
