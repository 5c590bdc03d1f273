"""Sample files: exact, appended as requests end, readable after a kill."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from loadtest.generator.frames import FrameWriter, read_frames
from loadtest.generator.samples import SAMPLES, blank_row, frequent_errors, outcome_of, read, to_requests, write_parquet
from sim.data.outcomes import CACHE_HIT, CANNED, ERROR, OK, RATE_LIMITED, REJECTED
from sim.gateway.rows import REQUESTS


def rows(*requests: int) -> np.ndarray:
    block = np.repeat(blank_row(), len(requests))
    block["request"] = requests
    block["latency_s"] = np.array(requests) * 0.1
    block["error"] = b"caf\xc3\xa9"
    return block


def test_a_blank_row_has_nothing_in_it() -> None:
    row = blank_row()[0]
    assert np.isnan(row["latency_s"])
    assert np.isnan(row["sent_s"])
    assert (row["target"], row["cost_usd"], row["queue_wait_s"], row["coalesced_s"]) == (-1, 0.0, 0.0, 0.0)


def test_samples_of_several_generators_are_read_in_order_of_the_schedule(tmp_path: Path) -> None:
    (tmp_path / "samples-0.bin").write_bytes(rows(4, 0, 2).tobytes())
    (tmp_path / "samples-1.bin").write_bytes(rows(3, 1).tobytes())
    assert read(tmp_path)["request"].tolist() == [0, 1, 2, 3, 4]


def test_a_row_torn_by_a_kill_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "samples-0.bin").write_bytes(rows(0, 1, 2).tobytes()[:-5])
    assert read(tmp_path)["request"].tolist() == [0, 1]


def test_no_samples_is_an_error_that_says_where(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        read(tmp_path)


def test_samples_become_request_rows_column_by_column() -> None:
    requests = to_requests(rows(0, 1, 2))
    assert requests.dtype == REQUESTS
    assert requests["latency_s"].tolist() == pytest.approx([0.0, 0.1, 0.2])


def test_parquet_holds_every_column(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_parquet(rows(0, 1), tmp_path / "requests.parquet")
    table = pq.read_table(tmp_path / "requests.parquet")
    assert set(table.column_names) == set(SAMPLES.names or ())
    assert table.column("error").to_pylist() == ["café", "café"]


def test_what_goes_through_the_pipe_is_on_disk_and_a_torn_frame_ends_the_reading() -> None:
    pipe, file = io.BytesIO(), io.BytesIO()
    writer = FrameWriter(pipe, file)
    writer.tell({"ready": True})
    writer.rows(rows(7, 8))
    assert file.getvalue() == rows(7, 8).tobytes()
    first, second = read_frames(io.BytesIO(pipe.getvalue() + b"J\x00\x00").read)
    assert first == {"ready": True}
    assert second["request"].tolist() == [7, 8]


def test_a_gateway_of_ours_names_the_outcome_and_others_are_judged_by_their_status() -> None:
    assert outcome_of(200, "canned") == CANNED
    assert outcome_of(200) == OK
    assert outcome_of(200, "something else") == OK
    assert outcome_of(429, None) == RATE_LIMITED
    assert outcome_of(418) == ERROR


def test_what_failed_requests_got_is_counted_most_frequent_first() -> None:
    rows = np.concatenate([blank_row() for _ in range(6)])
    rows["outcome"] = [ERROR, ERROR, OK, REJECTED, ERROR, CACHE_HIT]
    rows["status"] = [500, 500, 200, 503, 0, 200]
    rows["error"] = [b"boom", b"boom", b"", b"full", b"reset", b""]
    assert frequent_errors(rows) == [
        {"status": 500, "error": "boom", "requests": 2},
        {"status": 0, "error": "reset", "requests": 1},
        {"status": 503, "error": "full", "requests": 1},
    ]
    assert frequent_errors(rows[2:3]) == []
