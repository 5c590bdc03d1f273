"""A fingerprint is of everything that happened, in order, however little of it is put into words at a time."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from synthetic_runs import synthetic_run

from sim import fingerprint as module
from sim.fingerprint import fingerprint
from sim.records import OUTCOMES
from sim.run import Run


@pytest.fixture(scope="module")
def run() -> Run:
    """With many facts at the same moments."""
    made = synthetic_run(replications=2)
    for rows, columns in ((made.requests, ("arrival_s", "latency_s")), (made.attempts, ("started_s", "duration_s"))):
        for column in columns:
            rows[column] = np.round(np.nan_to_num(rows[column]))
    return made


def plainly(run: Run) -> str:
    """As it is defined: all facts in words, sorted."""
    digest = hashlib.sha256()
    for replication in range(run.replications):
        facts = []
        for row in run.requests[run.requests["replication"] == replication]:
            facts.append((float(row["arrival_s"]), "arrival", f"{row['request']}", ""))
            facts.append((float(row["arrival_s"] + row["latency_s"]), "end", f"{row['request']}", OUTCOMES[row["outcome"]]))
        for row in run.attempts[run.attempts["replication"] == replication]:
            entity = f"{row['request']}.{row['attempt']}@{run.targets[row['target']]}"
            facts.append((float(row["started_s"]), "attempt", entity, ""))
            facts.append((float(row["started_s"] + row["duration_s"]), "answer", entity, f"{row['status']}"))
        for event in run.events:
            if event["replication"] == replication:
                facts.append((float(event["at_s"]), event["event"], event["target"], ""))
        for at_s, *words in sorted(facts):
            digest.update(f"{at_s.hex()} {' '.join(words)}\n".encode())
    return digest.hexdigest()


@pytest.mark.parametrize("block", [1, 7, 1000, 10**6])
def test_it_does_not_depend_on_the_blocks(run: Run, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    assert fingerprint(run) == plainly(run)


@pytest.mark.parametrize(
    ("rows", "column"), [("requests", "latency_s"), ("requests", "outcome"), ("attempts", "status"), ("attempts", "target")]
)
def test_anything_that_goes_otherwise_changes_it(rows: str, column: str) -> None:
    run, other = synthetic_run(replications=1), synthetic_run(replications=1)
    assert fingerprint(run) == fingerprint(other)
    getattr(other, rows)[column][17] += 1
    assert fingerprint(run) != fingerprint(other)
