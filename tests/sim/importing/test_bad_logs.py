"""Logs as they come: broken off, mixed, out of order, in several zones, doubled, blacked out, with clocks that jump. All is counted."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
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


def refused(kind: str, place: Path, mapping: dict[str, str] | None = None) -> str:
    with pytest.raises(ScenarioError) as error:
        read(kind, [place], mapping or {}, Skipped())
    return str(error.value)


def test_a_wrong_map_of_a_known_format_lists_every_column_and_guesses_the_best(tmp_path: Path) -> None:
    message = refused("litellm", logs.write_lines(tmp_path / "spend.jsonl", SPEND), {"start": "when"})
    listed = message.partition("the log has ")[2].partition("\n")[0]
    assert all(name in listed for name in SPEND[0])
    assert message.endswith("perhaps: --map start=startTime")


def test_each_column_is_guessed_once(tmp_path: Path) -> None:
    message = refused("table", logs.write_lines(tmp_path / "spend.jsonl", SPEND), {"start": "when"})
    guessed = [each.partition("=")[2] for each in message.partition("perhaps: ")[2].split("--map ")[1:]]
    assert len(guessed) == len({each.strip() for each in guessed}) > 3
    assert "--map start=startTime --map " in message
    assert "output_tokens=completion_tokens" in message
    assert "=completionStartTime" not in message


@pytest.mark.parametrize(
    ("ours", "column", "says"),
    [
        ("duration", "model", "can be read as a duration; one is '"),
        ("cost", "status", "can be read as a number; one is 'success'"),
        ("start", "model", "can be read as a time; one is '"),
    ],
)
def test_a_mapped_column_that_says_nothing_is_refused_with_a_value(tmp_path: Path, ours: str, column: str, says: str) -> None:
    place = logs.write_lines(tmp_path / "spend.jsonl", SPEND)
    message = refused("table", place, {"start": "startTime"} | {ours: column})
    assert f"{ours}={column}: no value of the column {says}" in message


def test_the_unit_that_was_taken_is_said_and_can_be_chosen(tmp_path: Path) -> None:
    place = logs.write_lines(tmp_path / "calls.csv", ["when,took,spent_ms", "2026-11-02T09:00:00Z,420,420"])

    def took(column: str) -> tuple[float, str]:
        skipped = Skipped()
        calls, _ = read("table", [place], {"start": "when", "duration": column}, skipped)
        return float(calls.duration_s[0]), "".join(skipped.says())

    seconds, says = took("took")
    assert (seconds, "duration=took is taken for seconds (duration=took:ms says otherwise)" in says) == (420.0, True)
    assert took("took:ms") == (pytest.approx(0.42), "")
    assert "spent_ms is taken for milliseconds" in took("spent_ms")[1]


@pytest.mark.parametrize(
    "packed",
    [
        lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
        bz2.compress,
        lzma.compress,
        lambda data: b"[" + b",".join(data.strip().split(b"\n")) + b"]",
        lambda data: b'{"data": [' + b",".join(data.strip().split(b"\n")) + b"]}",
        lambda data: b"".join(b"Nov  2 09:00:00 host litellm[7]: " + line + b"\n" for line in data.strip().split(b"\n")),
        lambda data: b"".join(
            json.dumps({"log": line.decode(), "stream": "stdout"}).encode() + b"\n" for line in data.strip().split(b"\n")
        ),
        lambda data: data + b'{"messages": "' + b"x" * (9 << 20) + b'"}\n',
        lambda data: data.replace(b'"default_user_id"', b'"caf\xe9"').replace(b'"team_id": ""', b'"team_id": NaN'),
    ],
    ids=["CRLF and BOM", "bzip2", "xz", "a list", "an API's answer", "syslog", "Docker", "a huge line", "Latin-1 and NaN"],
)
def test_however_the_rows_are_packed_they_are_read(tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    place = tmp_path / "spend.jsonl"
    place.write_bytes(packed("\n".join(map(json.dumps, SPEND)).encode() + b"\n"))
    calls = read_spend(place, Skipped())
    assert len(calls) == 60
    assert calls.input_tokens.sum() == sum(row["prompt_tokens"] for row in SPEND)


def test_a_line_beyond_all_bounds_is_left_out_and_the_next_ones_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.importing.files.BLOCK", 4096)
    lines = [json.dumps(row) for row in SPEND]
    lines[30] = json.dumps(SPEND[30] | {"response": "x" * 100_000})
    skipped = Skipped()
    assert len(read_spend(logs.write_lines(tmp_path / "spend.jsonl", lines), skipped)) == 59
    assert any("longer than" in each and each.endswith(":31") for each in skipped.says())


def test_a_list_that_breaks_off_gives_its_whole_rows(tmp_path: Path) -> None:
    place = tmp_path / "spend.json"
    place.write_text(json.dumps(SPEND)[:20_000])
    skipped = Skipped()
    assert 10 < len(read_spend(place, skipped)) < 30
    assert "breaks off" in skipped.says()[0]


def test_rows_without_ids_that_stand_twice_count_once(tmp_path: Path) -> None:
    lines = [logs.nginx(row) for row in ROWS]
    skipped = Skipped()
    assert len(read("nginx", [logs.write_lines(tmp_path / "access.log", lines + lines)], {}, skipped)[0]) == 60
    assert skipped.count == 60


def test_headers_may_repeat_names_and_letters_may_be_wrong(tmp_path: Path) -> None:
    place = tmp_path / "calls.csv"
    place.write_bytes(b"start,model,model,latency_s\n2026-11-02T09:00:00Z,caf\xe9,x,1\n2026-11-02T09:00:01Z,b,x,2\n")
    calls = read("table", [place], {}, Skipped())[0]
    assert calls.duration_s.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("\n".join(map(json.dumps, SPEND)).encode("utf-16"), "iconv"),
        (b"PK\x03\x04rest", "unzip"),
        (bytes(range(256)), "no text"),
        (b"start,latency_s\r2026-11-02T09:00:00Z,1\r", "carriage returns"),
    ],
)
def test_what_cannot_be_read_says_what_it_is_and_what_to_do(tmp_path: Path, content: bytes, says: str) -> None:
    place = tmp_path / "calls.csv"
    place.write_bytes(content)
    message = refused("table", place)
    assert says in message
    assert str(place) in message


def test_a_log_of_another_kind_is_named(tmp_path: Path) -> None:
    assert "tenfold import litellm" in refused("nginx", logs.write_lines(tmp_path / "access.log", SPEND))
    assert "tenfold import otel" in refused(
        "envoy", logs.write_lines(tmp_path / "e.log", [logs.span(row, n) for n, row in enumerate(ROWS)])
    )


def test_a_common_log_is_not_taken_for_one_with_times_upstream(tmp_path: Path) -> None:
    line = '10.0.0.1 - - [02/Nov/2026:10:00:01 +0100] "POST /v1 HTTP/1.1" 200 900 "-" "openai/1"'
    calls = read("nginx", [logs.write_lines(tmp_path / "access.log", [line])], {}, Skipped())[0]
    assert calls.start_s.tolist() == [logs.T0 + 1]
    assert not calls.has("duration_s")


def test_a_log_of_failures_alone_teaches_nothing_and_says_so(tmp_path: Path) -> None:
    failed = [row | {"status": "failure", "error_information": {"error_code": "503"}} for row in SPEND]
    with pytest.raises(ScenarioError, match=r"every one of its 60 calls failed .60 with 503.*neither latencies nor sizes"):
        read_spend(logs.write_lines(tmp_path / "spend.jsonl", map(json.dumps, failed)), Skipped())
