//! The proxy between a client and a real server.

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use turbocat_testkit::postgres::TestDatabase;

use super::*;

const ROUNDS: i32 = 20;

struct Scene {
    database: TestDatabase,
    proxy: Proxy,
    folder: PathBuf,
    _tasks: TaskTracker,
}

impl Scene {
    async fn set(name: &str) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let folder = std::env::temp_dir().join(format!("turbocat-proxy-{}-{name}", std::process::id()));
        let options = database.url().parse::<PgConnectOptions>().unwrap();
        let server = options.get_socket().unwrap().join(format!(".s.PGSQL.{}", options.get_port()));
        let tasks = TaskTracker::new();
        let proxy = Proxy::open(&folder, server, &tasks).unwrap();
        let mut direct = PgConnection::connect(database.url()).await.unwrap();
        sqlx::query("CREATE TABLE chaos_rows (id int PRIMARY KEY)").execute(&mut direct).await.unwrap();
        Self { database, proxy, folder, _tasks: tasks }
    }

    async fn client(&self) -> PgConnection {
        PgConnection::connect(&self.proxy.url(self.database.url()).unwrap()).await.unwrap()
    }

    /// Whether a row is there, asked past the proxy.
    async fn has(&self, id: i32) -> bool {
        let mut direct = PgConnection::connect(self.database.url()).await.unwrap();
        let row = sqlx::query_scalar("SELECT EXISTS (SELECT FROM chaos_rows WHERE id = $1)").bind(id);
        row.fetch_one(&mut direct).await.unwrap()
    }

    fn sprung(&self, trap: Trap) -> u64 {
        self.proxy.switch.sprung().get(trap.as_str()).copied().unwrap_or(0)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.folder);
    }
}

async fn insert(client: &mut PgConnection, id: i32) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO chaos_rows (id) VALUES ($1)").bind(id).execute(client).await.map(drop)
}

async fn insert_in_transaction(client: &mut PgConnection, id: i32) -> sqlx::Result<()> {
    let mut tx = client.begin().await?;
    insert(&mut tx, id).await?;
    tx.commit().await
}

#[tokio::test]
async fn what_passes_through_is_what_the_server_says() {
    let scene = Scene::set("pass").await;
    let mut client = scene.client().await;
    for id in 0..ROUNDS {
        insert_in_transaction(&mut client, id).await.unwrap();
        insert(&mut client, ROUNDS + id).await.unwrap();
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM chaos_rows").fetch_one(&mut client).await.unwrap();
    assert_eq!(count, i64::from(2 * ROUNDS));
    let long: String = sqlx::query_scalar("SELECT repeat('x', 3000000)").fetch_one(&mut client).await.unwrap();
    assert_eq!(long.len(), 3_000_000);
    let refused = insert(&mut client, 0).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "23505");
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_made_and_one_that_is_lost_is_not() {
    let scene = Scene::set("commit").await;
    for id in 0..ROUNDS {
        let trap = if id % 2 == 0 { Trap::ReplyLost } else { Trap::CommitLost };
        scene.proxy.switch.arm(trap, None);
        let mut client = scene.client().await;
        let lost =
            if id % 4 < 2 { insert(&mut client, id).await } else { insert_in_transaction(&mut client, id).await };
        assert!(matches!(lost, Err(sqlx::Error::Io(_))), "{trap:?}: {lost:?}");
        assert_eq!(scene.has(id).await, trap == Trap::ReplyLost, "{trap:?}, row {id}");
    }
    let each = u64::try_from(ROUNDS / 2).unwrap();
    assert_eq!((scene.sprung(Trap::ReplyLost), scene.sprung(Trap::CommitLost)), (each, each));
}

#[tokio::test]
async fn a_request_that_arrives_by_half_is_not_carried_out() {
    let scene = Scene::set("torn").await;
    for id in 0..ROUNDS {
        scene.proxy.switch.arm(Trap::Torn, None);
        let mut client = scene.client().await;
        assert!(insert(&mut client, id).await.is_err());
        assert!(!scene.has(id).await);
    }
    assert_eq!(scene.sprung(Trap::Torn), u64::try_from(ROUNDS).unwrap());
}

#[tokio::test]
async fn a_trap_waits_for_its_target_and_a_refused_commit_does_not_spring_it() {
    let scene = Scene::set("target").await;
    let mut client = scene.client().await;
    scene.proxy.switch.arm(Trap::ReplyLost, Some(Target::Journal));
    insert(&mut client, 1).await.unwrap();
    sqlx::query("SELECT 1").execute(&mut client).await.unwrap();
    scene.proxy.switch.calm();
    scene.proxy.switch.arm(Trap::ReplyLost, None);
    let refused = insert(&mut client, 1).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "23505");
    assert_eq!(scene.sprung(Trap::ReplyLost), 0);
}

#[tokio::test]
async fn a_reset_ends_all_connections_and_a_stall_holds_them() {
    let scene = Scene::set("reset").await;
    let (mut one, mut two) = (scene.client().await, scene.client().await);
    scene.proxy.switch.reset();
    assert!(sqlx::query("SELECT 1").execute(&mut one).await.is_err());
    assert!(sqlx::query("SELECT 1").execute(&mut two).await.is_err());

    let mut three = scene.client().await;
    scene.proxy.switch.set(Mode::Stall);
    let patience = std::time::Duration::from_millis(100);
    let asked = sqlx::query("SELECT 1").execute(&mut three);
    tokio::pin!(asked);
    assert!(tokio::time::timeout(patience, &mut asked).await.is_err(), "it was not held");
    scene.proxy.switch.set(Mode::Pass);
    asked.await.unwrap();
}
