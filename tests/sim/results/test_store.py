"""A run directory is written whole or not at all, reads back as it was, and is not trusted."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sim.analysis.summary import summarize
from sim.analysis.validation import compare
from sim.report.render import render
from sim.results import store
from sim.results.provenance import command_line
from sim.results.results import Results, gather
from sim.results.store import StoreError, default_place, prepare, read_results, write_results
from sim.scenario.load import canonical, to_yaml
from tests.sim.synthetic_runs import synthetic_run

SHA = "ab" * 32


@pytest.fixture(scope="module")
def results() -> Results:
    prediction, measurement = synthetic_run(), synthetic_run(replications=1, kind="measurement", noise=0.01)
    text = to_yaml(canonical(prediction.scenario))
    comparison = compare(prediction, measurement)
    return gather([prediction, measurement], SHA, text, comparison=comparison, argv=["/usr/bin/tenfold", "verify", "x.yaml"])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, results: Results) -> Path:
    return write_results(results, tmp_path_factory.mktemp("results") / "kept", render)


@pytest.fixture
def place(tmp_path: Path, written: Path) -> Path:
    """A directory of its own for each test, which may damage it."""
    return shutil.copytree(written, tmp_path / "kept")


def test_a_directory_holds_what_the_design_lists(written: Path) -> None:
    names = {"manifest.json", "scenario.yaml", "requests.parquet", "attempts.parquet", "timeline.parquet", "events.jsonl", "summary.json"}
    assert {file.name for file in written.iterdir()} == names | {"report.html"}
    assert list(written.parent.iterdir()) == [written]


def test_runs_read_back_as_they_were(place: Path, results: Results) -> None:
    found = read_results(place)
    assert found.summary == json.loads(json.dumps(results.summary))
    assert found.scenario == results.scenario
    assert found.scenario_yaml == results.scenario_yaml
    for run, kept in zip(results.runs, found.runs, strict=True):
        for rows in ("requests", "attempts", "timeline"):
            assert getattr(run, rows).tobytes() == getattr(kept, rows).tobytes(), rows
        assert (run.kind, run.scale, run.seed, run.targets, run.events, run.usage, run.refusals) == (
            kept.kind, kept.scale, kept.seed, kept.targets, kept.events, kept.usage, kept.refusals,
        )  # fmt: skip
    assert summarize(found.runs, SHA) == summarize(results.runs, SHA)


def test_the_requests_are_one_flat_table_for_other_tools(place: Path, results: Results) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(place / "requests.parquet")
    assert table.num_rows == sum(len(run.requests) for run in results.runs)
    assert table.column_names[:4] == ["run", "request", "replication", "arrival_s"]


def test_the_manifest_names_the_limits_that_refused_so_that_a_reader_needs_no_code(place: Path, results: Results) -> None:
    names = json.loads((place / "manifest.json").read_text())["refused_by"]
    codes = np.unique(np.concatenate([run.requests["refused_by"] for run in results.runs]))
    assert {names[str(code)] for code in codes if code} == {"queue"}


def without(place: Path, column: str) -> Path:
    """The directory as if its requests had been written without a column."""
    import pyarrow.parquet as pq

    file = place / "requests.parquet"
    whole = pq.ParquetFile(file)
    groups = [whole.read_row_group(number).drop_columns([column]) for number in range(whole.num_row_groups)]
    with pq.ParquetWriter(file, groups[0].schema) as writer:
        for group in groups:
            writer.write_table(group)
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["hashes"][file.name] = store.sha256_of(file)
    (place / "manifest.json").write_text(json.dumps(manifest))
    return place


@pytest.mark.parametrize("most", ["12000000", "10"], ids=["in memory", "on disk"])
def test_rows_from_before_a_stage_was_there_read_as_if_nothing_had_happened_in_it(
    place: Path, results: Results, most: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENFOLD_ROWS_IN_MEMORY", most)
    found = read_results(without(place, "coalesced_s"))
    for run, kept in zip(results.runs, found.runs, strict=True):
        assert not kept.requests["coalesced_s"].any()
        assert kept.requests["latency_s"].tobytes() == np.ascontiguousarray(run.requests["latency_s"]).tobytes()


def test_rows_without_what_every_request_has_are_damaged(place: Path) -> None:
    with pytest.raises(StoreError, match=r"requests\.parquet has no column latency_s"):
        read_results(without(place, "latency_s"))


def test_of_large_runs_the_first_replications_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_ROWS", 6000)
    run = synthetic_run(replications=4)
    place = write_results(gather([run], SHA, to_yaml(canonical(run.scenario)), argv=["tenfold"]), tmp_path / "kept", render)
    found = read_results(place)
    assert (found.runs[0].replications, found.manifest["runs"][0]["replications"]) == (2, 4)
    assert np.unique(found.runs[0].requests["replication"]).tolist() == [0, 1]
    assert found.summary["runs"][0]["replications"] == 4
    assert render(found) == (place / "report.html").read_text()


def test_the_manifest_says_where_it_comes_from_and_no_secrets(place: Path) -> None:
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["argv"] == ["tenfold", "verify", "x.yaml"]
    assert {"python", "tenfold", "numpy"} <= manifest["versions"].keys()
    assert manifest["seed"] == 7
    text = json.dumps(manifest)
    for name, value in os.environ.items():
        if name in ("USER", "HOSTNAME", "HOME") and len(value) > 4:
            assert value not in text, name


def test_secrets_on_the_command_line_are_blotted_out() -> None:
    given = [
        "/a/tenfold", "load", "--url", "http://me:word@host/v1", "--api-key", "abc", "--set", "gateway.key=abc", "--token=t",
        "sk-live-1234567890", "-q",
    ]  # fmt: skip
    assert command_line(given) == [
        "tenfold", "load", "--url", "http://***@host/v1", "--api-key", "***", "--set", "gateway.key=***", "--token=***", "***", "-q",
    ]  # fmt: skip


def test_a_place_that_is_taken_is_refused_before_any_work(place: Path) -> None:
    with pytest.raises(StoreError, match="exists already"):
        prepare(place)
    empty = place.parent / "empty"
    empty.mkdir()
    assert prepare(empty) == empty


def test_the_default_place_is_numbered_when_taken(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first = default_place("launch", "prediction", now, tmp_path)
    assert first == tmp_path / "launch-prediction-20260102T030405Z"
    first.mkdir()
    assert default_place("launch", "prediction", now, tmp_path).name == "launch-prediction-20260102T030405Z-2"


def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        prepare(tmp_path / "file" / "kept")


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_run_that_is_interrupted_while_writing_leaves_nothing(
    tmp_path: Path, results: Results, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(store, "write_table", fail)
    with pytest.raises((StoreError, KeyboardInterrupt)):
        write_results(results, tmp_path / "kept", render)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", store.HASHED)
def test_a_changed_or_missing_file_is_noticed(place: Path, name: str) -> None:
    content = bytearray((place / name).read_bytes() or b" ")
    content[len(content) // 2] ^= 1
    (place / name).write_bytes(content)
    with pytest.raises(StoreError, match=f"{name} is not the file that the manifest describes"):
        read_results(place)
    (place / name).unlink()
    with pytest.raises(StoreError, match=f"is damaged: {name} is missing"):
        read_results(place)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "it has no manifest.json"),
        ("{", "is damaged: manifest.json"),
        ("[]", "is not one of Tenfold's"),
        ('{"name": "somebody else"}', "is not one of Tenfold's"),
        ('{"format": 99}', "written by a later version of Tenfold"),
        ('{"format": 0}', "is not one of Tenfold's"),
        ('{"format": 1}', "is damaged: scenario.yaml is missing"),
        ('{"format": 2}', "is damaged: scenario.yaml is missing"),
    ],
)
def test_a_directory_that_is_not_a_run_says_so(tmp_path: Path, manifest: str | None, message: str) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(StoreError, match=message):
        read_results(tmp_path)
    with pytest.raises(StoreError, match="no such run directory"):
        read_results(tmp_path / "nowhere")


def test_damaged_rows_under_a_matching_hash_are_still_an_error(place: Path) -> None:
    (place / "requests.parquet").write_bytes(b"PAR1 nothing PAR1")
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["hashes"]["requests.parquet"] = store.sha256_of(place / "requests.parquet")
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"is damaged: requests\.parquet"):
        read_results(place)
