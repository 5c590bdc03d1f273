"""A run directory that the version before the chain wrote (``verify`` of a demo with an outage of both providers) reads as one of today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sim.data.outcomes import CACHE_HIT, CANNED, OK, STALE
from sim.report.render import render
from sim.results import format_1
from sim.results.results import Results
from sim.results.store import StoreError, read_results, write_results

OLD = Path(__file__).parent / "format_1"
CODES = {"ok": OK, "cache_hit": CACHE_HIT, "fallback": CANNED}
BEFORE = json.loads((OLD / "summary.json").read_text())


@pytest.fixture(scope="module")
def read() -> Results:
    return read_results(OLD)


def test_its_rows_have_the_outcomes_of_today(read: Results) -> None:
    for run, before in zip(read.runs, BEFORE["runs"], strict=True):
        counted = run.counted["outcome"]
        found = {
            name: int(np.count_nonzero(counted == code)) for name, code in (("ok", OK), ("cache_hit", CACHE_HIT), ("fallback", CANNED))
        }
        assert found == {name: before["outcomes"][name] for name in found}
        assert found["fallback"] > 0


def test_what_it_did_not_write_is_unknown(read: Results) -> None:
    for run in read.runs:
        assert not run.requests["refused_by"].any()
        assert not run.attempts["cached_tokens"].any()
        assert run.refusals == {}


def test_degraded_answers_are_served_and_not_available(read: Results) -> None:
    for entry, before in zip(read.summary["runs"], BEFORE["runs"], strict=True):
        assert entry["served"]["value"] == before["availability"]["value"] == 1.0
        assert entry["availability"]["value"] == pytest.approx(1 - before["outcomes"]["fallback"] / before["requests"])
        assert entry["throughput_rps"]["value"] < before["throughput_rps"]["value"]


def test_the_measurement_keeps_its_certificate_and_is_paired_again(read: Results) -> None:
    verify, before = read.summary["verify"], BEFORE["verify"]
    assert verify["schema_version"] == 2
    assert verify["certificate"] == before["certificate"]
    assert verify["paired"]["requests"] == before["paired"]["requests"]
    assert verify["paired"]["same_outcome"] == before["paired"]["same_outcome"]
    assert "invalid" in (verify["verdict"], before["verdict"])


def test_its_report_can_be_written_anew_and_the_run_stored_in_the_format_of_today(read: Results, tmp_path: Path) -> None:
    assert "Prediction beside measurement" in render(read)
    written = read_results(write_results(Results(**{**vars(read), "manifest": _manifest(read)}), tmp_path / "new"))
    assert written.summary["runs"] == read.summary["runs"]


def _manifest(read: Results) -> dict[str, object]:
    return {key: value for key, value in read.manifest.items() if key != "hashes"} | {"format": 2, "refused_by": {}}


@pytest.mark.parametrize(
    ("fallback", "meant"), [(("stale-cache",), STALE), (("stale-cache", "canned"), CANNED), (("next-provider", "canned"), CANNED)]
)
def test_fallback_was_stale_where_no_prepared_text_was_known(read: Results, fallback: tuple[str, ...], meant: int) -> None:
    gateway = read.scenario.gateway.model_copy(update={"fallback": fallback})
    assert format_1.codes(read.scenario.model_copy(update={"gateway": gateway}))[2] == meant


def test_a_changed_file_is_still_refused(tmp_path: Path) -> None:
    place = shutil.copytree(OLD, tmp_path / "old")
    (place / "summary.json").write_text("{}")
    with pytest.raises(StoreError, match="its SHA-256 differs"):
        read_results(place)
