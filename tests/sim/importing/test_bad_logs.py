"""Logs as they come: broken off, mixed, out of order, in several zones, doubled, blacked out, with clocks that jump. All is counted."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sim.importing.calls import Calls
from sim.importing.read import read
from sim.importing.skipped import Skipped
from sim.scenario.errors import ScenarioError
from tests.sim.importing import logs

ROWS = logs.truth(60, error=0.0).rows()
SPEND = [logs.litellm(each, number) for number, each in enumerate(ROWS)]


def read_spend(place: Path, skipped: Skipped) -> Calls:
    return read("litellm", [place], {}, skipped)[0]


def test_a_truncated_archive_gives_what_stands_before(tmp_path: Path) -> None:
    packed = gzip.compress("\n".join(map(json.dumps, SPEND)).encode())
    place = tmp_path / "spend.jsonl.gz"
    place.write_bytes(packed[: len(packed) * 2 // 3])
    skipped = Skipped()
    calls = read_spend(place, skipped)
    assert 10 < len(calls) < 60
    assert any("breaks off" in each and str(place) in each for each in skipped.says())


def test_mixed_lines_are_counted_and_named(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in SPEND]
    lines[3], lines[7], lines[9] = "Nov 02 09:00 starting proxy", '{"startTime": "2026-', "[1, 2]"
    lines.insert(5, "")
    skipped = Skipped()
    place = logs.write_lines(tmp_path / "spend.jsonl", lines)
    assert len(read_spend(place, skipped)) == 57
    (reason,) = skipped.lines.values()
    assert (reason.count, reason.line) == (3, 4)


def test_the_wrong_order_and_duplicates(tmp_path: Path) -> None:
    skipped = Skipped()
    calls = read_spend(logs.write_lines(tmp_path / "spend.jsonl", [*reversed(SPEND), *SPEND[:5]]), skipped)
    assert len(calls) == 60
    assert (calls.start_s[1:] >= calls.start_s[:-1]).all()
    assert skipped.count == 5
    assert any("sorted by their start" in each for each in skipped.says())


def test_zones_are_honoured_and_none_is_utc(tmp_path: Path) -> None:
    stamps = ["2026-11-02T10:00:00+01:00", "2026-11-02 09:00:00", "2026-11-02T03:00:00.000-0600", "2026-11-02T09:00:00Z"]
    place = logs.write_lines(tmp_path / "rows.jsonl", [{"timestamp": each, "latency_s": 1} for each in stamps])
    calls, _ = read("table", [place], {}, Skipped())
    assert calls.start_s.tolist() == [logs.T0] * 4


def test_blacked_out_fields_are_not_known(tmp_path: Path) -> None:
    rows = [row | {"end_user": "REDACTED", "cache_key": "Cache OFF", "prompt_tokens": None, "spend": "redacted"} for row in SPEND]
    calls = read_spend(logs.write_lines(tmp_path / "spend.jsonl", rows), Skipped())
    assert not calls.has("input_tokens")
    assert not calls.has("cost_usd")
    assert not calls.knows("prompt")


def test_clocks_that_jump(tmp_path: Path) -> None:
    rows = [dict(row) for row in SPEND]
    rows[4]["endTime"] = "2026-11-02T08:00:00Z"
    rows[5]["startTime"] = "2187-01-01T00:00:00Z"
    rows[6]["startTime"] = "yesterday"
    skipped = Skipped()
    calls = read_spend(logs.write_lines(tmp_path / "spend.jsonl", rows), skipped)
    assert len(calls) == 58
    said = " ".join(skipped.says())
    assert "an end before the start" in said
    assert "a clock outside" in said
    assert f"{tmp_path}/spend.jsonl:7" in said


def test_a_csv_with_lines_of_other_lengths(tmp_path: Path) -> None:
    place = tmp_path / "calls.csv"
    place.write_text("timestamp,latency_s\n2026-11-02T09:00:00,1\n2026-11-02T09:00:01,2,3\n2026-11-02T09:00:02,1\n")
    skipped = Skipped()
    calls, _ = read("table", [place], {}, skipped)
    assert len(calls) == 2
    assert skipped.count == 1


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{}\n", b"hello\nworld\n", b"PAR1 but no more", b"[{\n", b"\x1f\x8bnonsense"])
def test_what_holds_no_call_is_refused(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "log"
    place.write_bytes(content)
    for kind in ("litellm", "otel", "table", "nginx"):
        with pytest.raises(ScenarioError, match="log"):
            read(kind, [place], {}, Skipped())


def test_a_map_that_does_not_fit_lists_columns_and_guesses(tmp_path: Path) -> None:
    place = tmp_path / "calls.csv"
    place.write_text("when,took_ms,prompt_len\n2026-11-02T09:00:00,900,12\n")
    with pytest.raises(ScenarioError) as refusal:
        read("table", [place], {"start": "when", "duration": "took"}, Skipped())
    assert "the log has prompt_len, took_ms, when" in str(refusal.value)
    assert "--map input_tokens=prompt_len" in str(refusal.value)
    with pytest.raises(ScenarioError, match="did you mean 'duration'"):
        read("table", [place], {"durration": "took_ms"}, Skipped())
    calls, _ = read("table", [place], {"start": "when", "duration": "took_ms"}, Skipped())
    assert calls.duration_s.tolist() == pytest.approx([0.9])
