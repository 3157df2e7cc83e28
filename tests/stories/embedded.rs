//! A database of Turbocat's own.

use crate::{
    documents::COUNT,
    turbocat::{Folder, Turbocat},
};

#[tokio::test]
async fn two_runs_at_once_share_one_database_that_they_make() {
    let folder = Folder::new("own");
    let file = folder.write("count.yaml", COUNT);
    let turbocat = Turbocat::with_options(&[format!("--data-dir={}", folder.path().join("data").display())]);
    let run = ["run", &file, "--input", r#"{"text": "a b c d"}"#];

    let (one, other) = tokio::join!(turbocat.run(&run), turbocat.run(&run));

    for answer in [one.success(), other.success()] {
        assert_eq!(answer.value()["words"], 4);
    }
    let listed = turbocat.run(&["executions", "list", "--json"]).await.success().values();
    assert_eq!(listed.len(), 2);
    let checked = turbocat.run(&["doctor"]).await.success().stdout;
    assert!(checked.contains("Turbocat's own") && checked.contains("fsync on"), "{checked}");
}
