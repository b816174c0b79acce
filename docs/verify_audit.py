#!/usr/bin/env python3
"""Checks an AgentGuard audit with nothing but Python's standard library.

usage: verify_audit.py FILE.db    a SQLite database (opened read-only)
       verify_audit.py -          rows of audit_logs as one JSON object a line on standard input, as PostgreSQL's
                                  row_to_json writes them (bytea as \\x…, timestamps as ISO 8601)

Prints every finding and a summary; exit code 0 if there is none, 1 if there is one, 2 for wrong usage.
The form of a record is described in docs/audit.md.
"""
import datetime
import hashlib
import json
import re
import sqlite3
import sys

TEXT, NUMBER, FLAG, BYTES, TIME = "text", "number", "flag", "bytes", "time"
FIELDS = [
    ("form_version", NUMBER), ("chain_id", TEXT), ("chain_no", NUMBER), ("seq", NUMBER), ("timestamp", TIME),
    ("prev_hash", BYTES), ("kind", TEXT), ("decision_id", TEXT), ("agent_id", TEXT), ("agent_name", TEXT),
    ("team", TEXT), ("environment", TEXT), ("labels", TEXT), ("agent_active", FLAG), ("key_id", TEXT),
    ("action", TEXT), ("allowed", FLAG), ("verdict", TEXT), ("reason_code", TEXT), ("rule_id", TEXT),
    ("policies", TEXT), ("error_rule_ids", TEXT), ("revision", TEXT), ("decided_at", NUMBER), ("request_id", TEXT),
    ("trace_id", TEXT), ("idempotency_key", TEXT), ("repeat_of", TEXT), ("supersedes", TEXT), ("approval_id", TEXT),
    ("outcome", TEXT), ("replayable", FLAG), ("detail", TEXT), ("commitment", BYTES),
]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def raw(value):
    """Bytes as SQLite gives them, or as PostgreSQL writes them in JSON."""
    if isinstance(value, str):
        return bytes.fromhex(value[2:] if value.startswith("\\x") else value)
    return bytes(value)


def micros(value):
    if isinstance(value, int):
        return value
    # PostgreSQL leaves zeros at the end of the fraction out; older Pythons take three or six digits only.
    whole, zone = value[:19], value[19:]
    fraction = re.match(r"(?:\.(\d+))?", zone)
    digits = (fraction.group(1) or "").ljust(6, "0")
    elapsed = datetime.datetime.fromisoformat(f"{whole}.{digits}{zone[fraction.end():]}") - EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds


def encoded(value, kind):
    if value is None:
        return b"\0"
    if kind == FLAG:
        return b"\2" + (b"\1" if value else b"\0")
    if kind in (NUMBER, TIME):
        return b"\1" + (micros(value) if kind == TIME else int(value)).to_bytes(8, "big", signed=True)
    held = raw(value) if kind == BYTES else value.encode()
    return b"\3" + len(held).to_bytes(4, "big") + held


def record_hash(row):
    fields = b"".join(encoded(row[name], kind) for name, kind in FIELDS)
    return hashlib.sha256(b"agentguard.record.v1\n" + fields).digest()


def from_sqlite(path):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    rows = (dict(row) for row in database.execute("select * from audit_logs order by chain_no, seq, timestamp"))
    heads = {row["chain_id"]: row for row in database.execute("select * from audit_chains")}
    return rows, heads


def from_lines(lines):
    rows = [json.loads(line) for line in lines if line.strip()]
    return iter(sorted(rows, key=lambda row: (row["chain_no"], row["seq"], micros(row["timestamp"])))), None


def check(rows, heads):
    findings, last, count = [], {}, 0

    def find(row, what):
        findings.append(f"chain {row['chain_no']} ({row['chain_id']}), record {row['seq']}: {what}")

    for row in rows:
        count += 1
        seq, before = row["seq"], last.get(row["chain_id"])
        expected, link = (before["seq"] + 1, raw(before["hash"])) if before else (1, bytes(32))
        if seq < expected:
            find(row, "stands there twice")
            continue
        if seq > expected:
            find(row, f"records {expected} to {seq - 1} before it are missing")
        elif raw(row["prev_hash"]) != link:
            find(row, "does not follow the record before it")
        try:
            if record_hash(row) != raw(row["hash"]):
                find(row, "was changed: its columns do not have its hash")
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            find(row, f"was changed: {error}")
        if before and micros(row["timestamp"]) < micros(before["timestamp"]):
            find(row, "is older than the one before it")
        if row["content"] is not None and row["salt"] is not None:
            held = hashlib.sha256(b"agentguard.content.v1\n" + raw(row["salt"]) + raw(row["content"])).digest()
            if row["commitment"] is None or held != raw(row["commitment"]):
                find(row, "its content was changed")
        elif row["commitment"] is not None:
            find(row, "its content is gone")
        last[row["chain_id"]] = row
    for chain, head in (heads or {}).items():
        end = last.get(chain)
        if end is None or end["seq"] != head["head_seq"] or raw(end["hash"]) != raw(head["head_hash"]):
            reached = end["seq"] if end else 0
            findings.append(f"chain {head['chain_no']} ({chain}): ends at {reached}, its head says {head['head_seq']}")
    if heads is not None:
        findings += [f"chain {chain}: there are records, but no chain" for chain in last if chain not in heads]
        numbers = sorted(head["chain_no"] for head in heads.values())
        findings += [f"chain number {n} is missing" for n in range(1, (numbers or [0])[-1]) if n not in numbers]
    return findings, count, len(last)


def main(arguments):
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    rows, heads = from_lines(sys.stdin) if arguments[0] == "-" else from_sqlite(arguments[0])
    findings, records, chains = check(rows, heads)
    for finding in findings:
        print(finding)
    print(f"{records} records in {chains} chains: {'%d findings' % len(findings) if findings else 'nothing found'}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
