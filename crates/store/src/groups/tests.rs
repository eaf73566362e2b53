use model::policy::Predicate;

use super::*;
use crate::MasterKey;

const COPIES: &str = "INSERT INTO gateway_groups (id, short_id, name, description, group_type, labels, variables, \
     enforce_service_publishing, data_key, revision, digest, signature, created_at_ms, updated_at_ms) \
     SELECT md5(n::TEXT)::UUID::TEXT, 's' || n, 'copy-' || n, description, group_type, labels, variables, \
     enforce_service_publishing, data_key, revision, digest, signature, created_at_ms, updated_at_ms \
     FROM gateway_groups, generate_series(1, 1000) AS n WHERE name = 'first'";
const LABELS: &str = "INSERT INTO group_labels (group_id, label, value) \
     SELECT id, 'env', (ARRAY['dev', 'test', 'uat', 'prod'])[1 + row_number() OVER (ORDER BY id) % 4] \
     FROM gateway_groups";

/// A quarter of the groups has the label, some are seen: the shape in which a join of the two looks through the groups
/// once for each that is labelled. Statistics are as they are before PostgreSQL has gathered any.
#[tokio::test]
async fn labelled_groups_are_found_once_whatever_postgresql_knows_of_them() {
    let mut postgres = testkit::postgres::Postgres::start().expect("PostgreSQL");
    let url = postgres.database().expect("a database");
    let store = Store::open(&url, MasterKey::new([7; 32])).await.expect("a store");
    for table in ["gateway_groups", "group_labels"] {
        run(&store, format!("ALTER TABLE {table} SET (autovacuum_enabled = false)")).await;
    }
    store.groups().create(&first(), &AuditEntry::default()).await.expect("a group");
    run(&store, COPIES.into()).await;
    run(&store, LABELS.into()).await;
    let all = store.groups().list(&GroupFilter::default(), &Scope::Everything).await.expect("a list").list;
    let mut seen: Vec<String> = all.iter().map(|group| group.id.to_string()).collect();
    seen.sort();
    seen.truncate(50);

    let labels = LabelSelector::parse("env=prod");
    let filter = GroupFilter { labels, ..GroupFilter::default() };
    let scope = Scope::Where(Predicate::IdIn(seen));
    assert!((12..=13).contains(&store.groups().list(&filter, &scope).await.expect("a list").total));
    let plan = select(&filter, &scope).explained(store.db()).await.expect("a plan");
    let plan: Vec<String> = plan.iter().map(|row| row.get("QUERY PLAN").expect("text")).collect();
    assert!(plan.iter().all(|step| !step.contains("loops=") || step.contains("loops=1)")), "{}", plan.join("\n"));
}

async fn run(store: &Store, text: String) {
    store.db().execute(Query::new(text, Vec::new())).await.expect("a statement");
}

fn first() -> NewGroup {
    NewGroup {
        id: "default".parse().expect("an id"),
        name: "first".into(),
        description: String::new(),
        labels: Labels::new(),
        group_type: GroupType::Api7Gateway,
        region: None,
        variables: BTreeMap::new(),
        enforce_service_publishing: false,
        signature: vec![1],
    }
}
