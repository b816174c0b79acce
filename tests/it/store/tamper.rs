//! Every planted tampering is found, and named at the first bad record; the untouched control verifies clean.

use agentguard::audit::verify::FindingKind;

use super::*;

on_both! {
    every_changed_column_is_found_at_its_record,
    every_emptied_column_is_found_at_its_record,
    a_deleted_record_is_missing,
    two_swapped_records_are_found,
    an_inserted_record_is_found,
    a_cut_tail_is_missing,
    content_that_is_gone_is_missing,
    a_vanished_chain_is_missing,
    a_vanished_last_chain_is_missing,
    an_admin_act_or_its_record_that_vanished_is_found,
}

/// Every column of a record.
const TEXTS: [&str; 22] = [
    "kind",
    "decision_id",
    "agent_id",
    "agent_name",
    "team",
    "environment",
    "labels",
    "key_id",
    "action",
    "verdict",
    "reason_code",
    "rule_id",
    "policies",
    "error_rule_ids",
    "revision",
    "request_id",
    "trace_id",
    "idempotency_key",
    "repeat_of",
    "supersedes",
    "approval_id",
    "outcome",
];
const FLAGS: [&str; 3] = ["agent_active", "allowed", "replayable"];
const BYTES: [&str; 5] = ["prev_hash", "hash", "commitment", "salt", "content"];
const NUMBERS: [&str; 4] = ["chain_no", "seq", "form_version", "decided_at"];

/// Three closed chains, the middle one with seven records, and the hand armed against the triggers.
pub(super) async fn written(bench: &Bench) -> Vec<ChainHead> {
    for (chain, count) in [("one", 2), ("two", 5), ("three", 2)] {
        let (writer, task) = bench.writer(Mode::Durable, chain);
        for at in 0..count {
            // Times apart, so that a swap is one in every column.
            bench.clock.set(bench.clock.now().plus(Duration::from_secs(1)));
            writer.record(vec![decision(&format!("{chain} {at}"))]).await.unwrap();
        }
        writer.close().await;
        task.await.unwrap();
    }
    bench.verifies_clean().await;
    bench.disarm().await;
    bench
        .sql(
            "create table saved_logs as select * from audit_logs; \
             create table saved_chains as select * from audit_chains",
        )
        .await;
    bench.chains().await
}

pub(super) async fn restore(bench: &Bench) {
    bench
        .sql(
            "delete from audit_logs; insert into audit_logs select * from saved_logs; \
             delete from audit_chains; insert into audit_chains select * from saved_chains",
        )
        .await;
}

/// The tampering is found, and its first finding is at record `seq` of chain `no`.
pub(super) async fn found(bench: &Bench, what: &str, no: i64, seq: i64) -> FindingKind {
    let findings = bench.findings().await;
    let first = findings.first().unwrap_or_else(|| panic!("{what}: not found"));
    assert!(first.kind.is_tampering(), "{what}: {first:?}");
    assert_eq!((first.chain_no, first.seq), (no, seq), "{what}: {findings:#?}");
    first.kind
}

/// Changes to each column: its name and what it becomes.
fn changes(bench: &Bench) -> Vec<(&'static str, String)> {
    let sqlite = bench.is_sqlite();
    let blob = |byte: &str| {
        let hex = byte.repeat(32);
        if sqlite { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") }
    };
    let mut changes = Vec::new();
    for column in TEXTS {
        match column {
            "kind" => changes.push((column, "'report'".into())),
            "revision" => changes.push((column, "'abc.8'".into())),
            _ => changes.push((column, format!("{column} || 'x'"))),
        }
        changes.push((column, "'nonsense'".into()));
    }
    changes.push(("detail", "'{}'".into()));
    for column in FLAGS {
        changes.push((column, if sqlite { format!("1 - {column}") } else { format!("not {column}") }));
    }
    for column in BYTES {
        changes.push((column, blob("ab")));
        changes.push((column, if sqlite { "x'00'".into() } else { "'\\x00'::bytea".into() }));
    }
    for column in NUMBERS {
        changes.push((column, format!("{column} + 1000")));
    }
    changes.push((
        "timestamp",
        if sqlite { "timestamp + 1".into() } else { "timestamp + interval '1 microsecond'".into() },
    ));
    changes.push((
        "timestamp",
        if sqlite { "timestamp - 1".into() } else { "timestamp - interval '1 microsecond'".into() },
    ));
    changes.push(("chain_id", "'chn_01h455vb4pex5vsknk084sn02q'".into()));
    changes.push(("chain_id", "'nonsense'".into()));
    changes
}

async fn every_changed_column_is_found_at_its_record(bench: Bench) {
    let chains = written(&bench).await;
    let changes = changes(&bench);
    let columns: std::collections::BTreeSet<_> = changes.iter().map(|(column, _)| *column).collect();
    let all = if bench.is_sqlite() {
        bench.value("select count(*) from pragma_table_info('audit_logs')").await
    } else {
        bench.value("select count(*) from information_schema.columns where table_name = 'audit_logs'").await
    };
    assert_eq!(columns.len().to_string(), all, "every column must be tried");
    for (column, value) in changes {
        let what = format!("{column} = {value}");
        bench
            .sql(&format!(
                "update audit_logs set {column} = {value} where chain_id = '{}' and seq = 4",
                chains[1].chain_id
            ))
            .await;
        found(&bench, &what, 2, 4).await;
        restore(&bench).await;
    }
    bench.verifies_clean().await;
}

async fn every_emptied_column_is_found_at_its_record(bench: Bench) {
    let chains = written(&bench).await;
    let nullable =
        TEXTS[1..].iter().chain(&FLAGS).chain(&["decided_at", "detail", "commitment", "salt", "content"]);
    for column in nullable {
        bench
            .sql(&format!(
                "update audit_logs set {column} = null where chain_id = '{}' and seq = 4",
                chains[1].chain_id
            ))
            .await;
        found(&bench, column, 2, 4).await;
        restore(&bench).await;
    }
    bench.verifies_clean().await;
}

async fn a_deleted_record_is_missing(bench: Bench) {
    let chains = written(&bench).await;
    for seq in 1..=7 {
        bench
            .sql(&format!("delete from audit_logs where chain_id = '{}' and seq = {seq}", chains[1].chain_id))
            .await;
        let kind = found(&bench, &format!("record {seq} deleted"), 2, seq).await;
        let expected = if seq == 7 { FindingKind::TailMissing } else { FindingKind::RecordMissing };
        assert_eq!(kind, expected, "record {seq}");
        restore(&bench).await;
    }
    bench.sql(&format!("delete from audit_logs where chain_id = '{}'", chains[1].chain_id)).await;
    found(&bench, "all records deleted", 2, 1).await;
}

async fn two_swapped_records_are_found(bench: Bench) {
    let chains = written(&bench).await;
    let chain = &chains[1].chain_id;
    bench
        .sql(&format!(
            "update audit_logs set seq = 1003 where chain_id = '{chain}' and seq = 3; \
             update audit_logs set seq = 3 where chain_id = '{chain}' and seq = 4; \
             update audit_logs set seq = 4 where chain_id = '{chain}' and seq = 1003"
        ))
        .await;
    found(&bench, "swapped", 2, 3).await;
}

async fn an_inserted_record_is_found(bench: Bench) {
    let chains = written(&bench).await;
    let chain: ChainId = chains[1].chain_id.parse().unwrap();
    let stored = bench.records(chain.as_str()).await;
    let add = |seq: i64, later: &str| {
        let columns = "chain_id, chain_no, form_version, prev_hash, hash, kind, action";
        format!(
            "insert into audit_logs (seq, timestamp, {columns}) select {seq}, timestamp + {later}, {columns} \
             from audit_logs where chain_id = '{chain}' and seq = 4"
        )
    };
    let later = if bench.is_sqlite() { "1" } else { "interval '1 microsecond'" };
    bench.sql(&add(4, later)).await;
    assert_eq!(found(&bench, "a second of one number", 2, 4).await, FindingKind::RecordInserted);
    restore(&bench).await;
    bench.sql(&add(8, later)).await;
    assert_eq!(found(&bench, "beyond the head", 2, 8).await, FindingKind::RecordInserted);
    restore(&bench).await;
    bench.sql(&add(0, later)).await;
    found(&bench, "before the first", 2, 8).await;
    restore(&bench).await;
    // A well-made record, hashed and linked, but not under the head check: the next one does not follow it.
    let position = Position { prev_hash: stored[2].hash, ..stored[3].position.clone() };
    let forged = Record::new(position, decision("forged"));
    let hex: String = forged.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = if bench.is_sqlite() { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") };
    // Each text column of `decision` is its name's; rewriting them all and the hash makes row 4 whole in itself.
    let texts: Vec<_> = forged
        .fields()
        .into_iter()
        .filter_map(|(name, field)| match field {
            agentguard::audit::record::Field::Text(Some(text)) if name != "chain_id" => {
                Some(format!("{name} = '{text}'"))
            }
            _ => None,
        })
        .collect();
    let commitment: String =
        forged.entry.commitment.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let content: String =
        forged.entry.content.as_ref().unwrap().bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let blob = |hex: &str| if bench.is_sqlite() { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") };
    bench
        .sql(&format!(
            "update audit_logs set {}, hash = {hash}, commitment = {}, content = {} \
             where chain_id = '{chain}' and seq = 4",
            texts.join(", "),
            blob(&commitment),
            blob(&content)
        ))
        .await;
    assert_eq!(bench.records(chain.as_str()).await[3], forged, "the forgery is whole in itself");
    assert_eq!(found(&bench, "a forged record", 2, 5).await, FindingKind::LinkMismatch);
}

async fn a_cut_tail_is_missing(bench: Bench) {
    let chains = written(&bench).await;
    bench.sql(&format!("delete from audit_logs where chain_id = '{}' and seq > 4", chains[1].chain_id)).await;
    assert_eq!(found(&bench, "the tail", 2, 5).await, FindingKind::TailMissing);
    restore(&bench).await;
    bench.sql(&format!("delete from audit_logs where chain_id = '{}' and seq > 1", chains[2].chain_id)).await;
    assert_eq!(found(&bench, "the last chain's tail", 3, 2).await, FindingKind::TailMissing);
}

async fn content_that_is_gone_is_missing(bench: Bench) {
    let chains = written(&bench).await;
    bench
        .sql(&format!(
            "update audit_logs set content = null, salt = null where chain_id = '{}' and seq = 4",
            chains[1].chain_id
        ))
        .await;
    assert_eq!(found(&bench, "content", 2, 4).await, FindingKind::ContentMissing);
}

async fn a_vanished_chain_is_missing(bench: Bench) {
    let chains = written(&bench).await;
    for chain in &chains {
        bench.sql(&format!("delete from audit_chains where chain_id = '{}'", chain.chain_id)).await;
        let kind = found(&bench, "the chain's row", chain.chain_no, 0).await;
        assert_eq!(kind, FindingKind::ChainMissing);
        bench.sql(&format!("delete from audit_logs where chain_id = '{}'", chain.chain_id)).await;
        let kind = found(&bench, "the chain with its row", chain.chain_no, 0).await;
        assert_eq!(kind, FindingKind::ChainMissing, "chain {}", chain.chain_no);
        restore(&bench).await;
    }
    bench.verifies_clean().await;
}

async fn a_vanished_last_chain_is_missing(bench: Bench) {
    let chains = written(&bench).await;
    // Also where the numbers are closed up behind it.
    bench
        .sql(&format!(
            "delete from audit_chains where chain_id = '{0}'; delete from audit_logs where chain_id = '{0}'; \
             update audit_chains set chain_no = 2 where chain_no = 3",
            chains[1].chain_id
        ))
        .await;
    let findings = bench.findings().await;
    assert!(findings.iter().any(|finding| finding.kind.is_tampering()), "{findings:?}");
}

async fn an_admin_act_or_its_record_that_vanished_is_found(bench: Bench) {
    let store = &bench.store;
    let (reader, key) = agent("reader");
    store.create_agent(&act("CreateAgent"), &reader, &key).await.unwrap();
    let (writer, task) = bench.writer(Mode::Durable, "pod");
    for act in store.unrecorded(0, noon()).await.unwrap() {
        writer.record(vec![agentguard::audit::outbox::entry(&act)]).await.unwrap();
    }
    writer.close().await;
    task.await.unwrap();
    bench.verifies_clean().await;
    // A change behind the service's back has no record; it is not waited for for ever.
    bench
        .sql(
            "create table saved as select * from revisions; \
             insert into revisions (epoch, n, token, at, actor, act, target, request_id, detail, digest) \
             select epoch, 2, token, at, actor, act, target, request_id, detail, digest from revisions where n = 1",
        )
        .await;
    bench.verifies_clean().await;
    bench.clock.set(noon().plus(Duration::from_secs(3_600)));
    let mismatch = async |what: &str| {
        let findings = bench.findings().await;
        let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [FindingKind::AdminMismatch], "{what}: {findings:?}");
    };
    mismatch("a change without a record").await;
    bench.sql("delete from revisions where n > 0").await;
    mismatch("a record without its change").await;
    bench.sql("insert into revisions select * from saved where n > 0").await;
    bench.verifies_clean().await;
    bench
        .sql(&format!(
            "update revisions set digest = {} where n = 1",
            if bench.is_sqlite() { "x'00'" } else { "'\\x00'" }
        ))
        .await;
    mismatch("a record of another change").await;
}
