//! The cursors of the chains, edited: every column is found or harmless, of a closed chain and of one that is being
//! written. And how many findings are told.

use agentguard::audit::Failure;
use agentguard::audit::verify::{FindingKind, MAX_FINDINGS};

use super::tamper::{restore, written};
use super::*;
use crate::harness::eventually;

on_both! {
    every_column_of_a_closed_chains_row_is_found_or_harmless,
    every_column_of_a_living_chains_row_is_found_or_harmless,
    findings_are_bounded_and_all_are_counted,
}

/// Whether an edit is found by verification, or does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Found,
    Harmless,
}

/// Edits of a chain's row: the column, what it becomes, and what comes of it.
fn edits(sqlite: bool, is_closed: bool) -> Vec<(&'static str, String, Fate)> {
    let blob = |byte: &str, count: usize| {
        let hex = byte.repeat(count);
        if sqlite { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") }
    };
    let closed = match (sqlite, is_closed) {
        (true, true) => "0",
        (true, false) => "1",
        (false, true) => "false",
        (false, false) => "true",
    };
    vec![
        ("head_seq", "head_seq - 1".into(), Fate::Found),
        ("head_seq", "head_seq + 1".into(), Fate::Found),
        ("head_seq", "0".into(), Fate::Found),
        ("head_seq", "-1".into(), Fate::Found),
        ("head_seq", "9223372036854775807".into(), Fate::Found),
        ("head_hash", blob("ab", 32), Fate::Found),
        ("head_hash", blob("00", 32), Fate::Found),
        ("head_hash", blob("00", 1), Fate::Found),
        ("closed", closed.into(), Fate::Found),
        ("chain_no", "20".into(), Fate::Found),
        ("chain_no", "-1".into(), Fate::Found),
        ("chain_id", "'chn_01h455vb4pex5vsknk084sn02q'".into(), Fate::Found),
        ("chain_id", "'nonsense'".into(), Fate::Found),
        ("seen_at", "5".into(), Fate::Harmless),
        ("seen_at", "9223372036854775807".into(), Fate::Harmless),
    ]
}

async fn covers_all_columns(bench: &Bench, edits: &[(&'static str, String, Fate)]) {
    let tried: std::collections::BTreeSet<_> = edits.iter().map(|(column, ..)| *column).collect();
    let all = if bench.is_sqlite() {
        bench.value("select count(*) from pragma_table_info('audit_chains')").await
    } else {
        bench.value("select count(*) from information_schema.columns where table_name = 'audit_chains'").await
    };
    assert_eq!(tried.len().to_string(), all, "every column must be tried: {tried:?}");
}

async fn every_column_of_a_closed_chains_row_is_found_or_harmless(bench: Bench) {
    let chains = written(&bench).await;
    let edits = edits(bench.is_sqlite(), true);
    covers_all_columns(&bench, &edits).await;
    for chain in &chains {
        for (column, value, fate) in &edits {
            let what = format!("{column} = {value} of chain {}", chain.chain_no);
            bench
                .sql(&format!(
                    "update audit_chains set {column} = {value} where chain_id = '{}'",
                    chain.chain_id
                ))
                .await;
            let findings = bench.findings().await;
            match fate {
                Fate::Found => {
                    assert!(findings.iter().any(|it| it.kind.is_tampering()), "{what}: {findings:?}");
                }
                Fate::Harmless => assert!(findings.is_empty(), "{what}: {findings:?}"),
            }
            restore(&bench).await;
        }
    }
    bench.verifies_clean().await;
}

/// While its writer lives: the edit is found at once, the writer moves on to a chain of its own where the row does not
/// fit any more, and it is found still.
async fn every_column_of_a_living_chains_row_is_found_or_harmless(bench: Bench) {
    bench.disarm().await;
    let edits = edits(bench.is_sqlite(), false);
    covers_all_columns(&bench, &edits).await;
    for (column, value, fate) in edits {
        let what = format!("{column} = {value}");
        let (writer, task) = bench.writer(Mode::Durable, "pod");
        for at in 0..3 {
            writer.record(vec![decision(&format!("before {at}"))]).await.unwrap();
        }
        bench.verifies_clean().await;
        let chain = writer.chain().unwrap();
        bench.sql(&format!("update audit_chains set {column} = {value} where chain_id = '{chain}'")).await;
        let found = async |when: &str| {
            let findings = bench.findings().await;
            let tampered = findings.iter().any(|it| it.kind.is_tampering());
            assert_eq!(tampered, fate == Fate::Found, "{what}, {when}: {findings:?}");
        };
        found("at once").await;
        // The first call may hear that its chain is somebody else's; the service goes on in any case.
        let first = writer.record(vec![decision("after")]).await;
        assert!(matches!(first, Ok(_) | Err(Failure::Fenced)), "{what}: {first:?}");
        eventually("the writer goes on", async || writer.record(vec![decision("on")]).await.ok()).await;
        if fate == Fate::Harmless {
            assert_eq!(writer.chain().unwrap(), chain, "{what}");
        }
        writer.close().await;
        task.await.unwrap();
        found("afterwards").await;
        bench
            .sql(
                "delete from audit_logs; delete from audit_chains; \
                 update audit_list set next_chain_no = 1, last_chain_id = null",
            )
            .await;
    }
}

async fn findings_are_bounded_and_all_are_counted(bench: Bench) {
    let bound = usize::try_from(MAX_FINDINGS).unwrap();
    let (writer, task) = bench.writer(Mode::Durable, "pod");
    // In commits that a busy machine makes in time.
    for _ in 0..15 {
        writer.record((0..100).map(|at| decision(&at.to_string())).collect()).await.unwrap();
    }
    writer.close().await;
    task.await.unwrap();
    bench.verifies_clean().await;
    bench.disarm().await;
    for (count, told) in [(bound, bound), (bound + 1, bound), (bound + 300, bound)] {
        let last = count + 1;
        bench.sql(&format!("update audit_logs set action = 'x' where seq between 2 and {last}")).await;
        let (events, mut heard) = tokio::sync::mpsc::channel(16);
        let listener = tokio::spawn(async move {
            let mut findings = 0;
            while let Some(event) = heard.recv().await {
                if let Event::Finding(finding) = event {
                    assert_eq!(finding.kind, FindingKind::HashMismatch);
                    findings += 1;
                }
            }
            findings
        });
        let summary = verify(&bench.store, noon(), None, events).await.unwrap();
        assert_eq!(summary.tampered, u64::try_from(count).unwrap());
        assert_eq!(listener.await.unwrap(), told);
    }
}
