"""Text, lateness, truth, certificate, wire details."""

from __future__ import annotations

import asyncio

import httpx
import numpy as np
import orjson
import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mockprovider.delivery import http_bytes
from mockprovider.delivery.clock import Deadlines
from mockprovider.delivery.lateness import BUCKET_S, Histogram
from mockprovider.delivery.playback import End
from mockprovider.dialects.answer_text import TOKENS, passage, token, version_in
from mockprovider.dialects.base import Answer, Call
from mockprovider.dialects.openai_errors import spell_duration
from mockprovider.dialects.tools import example
from mockprovider.evidence.certificate import BOUND_S, Certificate
from mockprovider.evidence.truth_log import BLOCK_ROWS, TRUTH, TRUTH_COLUMNS, TruthLog
from sim.workload.prompt_text import count_tokens
from tests.mockprovider.conftest import Handle

SHORT = {"kind": "constant", "value": "1ms"}


def test_a_passage_is_its_tokens_and_needs_no_escaping() -> None:
    for start, tokens in ((0, 5), (len(TOKENS) - 2, 7), (2**64 - 1, 3), (123, len(TOKENS) * 2 + 5)):
        text = passage(start, tokens)
        assert text == b"".join(token(start, k) for k in range(tokens))
        assert count_tokens(text.decode()) == tokens
        assert orjson.dumps(text.decode()) == b'"' + text + b'"'


def test_an_answer_on_contents_that_change_begins_with_their_version_and_is_as_long_as_any_other() -> None:
    answer = Answer(Call("m", ["q"], 0), 5, 1, 0, 4, False, 1.0, version=12)
    assert b"".join(answer.piece(k) for k in range(4)).decode() == answer.text()
    assert (version_in(answer.text()), len(answer.text())) == (12, 16)
    plain = Answer(Call("m", ["q"], 0), 5, 1, 0, 4, False, 1.0)
    assert version_in(plain.text()) == -1
    assert plain.text()[4:] == answer.text()[4:]


def test_quantiles_of_lateness_are_right_to_a_bucket() -> None:
    histogram = Histogram()
    values = np.random.default_rng(1).exponential(0.003, 20_000)
    for value in values:
        histogram.add(float(value))
    for q in (0.5, 0.9, 0.99, 0.999):
        assert histogram.quantile(q) == pytest.approx(np.quantile(values, q), abs=2 * BUCKET_S)
    assert histogram.summary()["max"] == values.max()
    assert Histogram().quantile(0.5) is None


def test_what_is_early_counts_as_on_time_and_what_is_very_late_is_told() -> None:
    histogram = Histogram()
    histogram.add(-0.0002)
    histogram.add(30.0)
    assert (histogram.quantile(0.5), histogram.quantile(1.0)) == (BUCKET_S, 30.0)


def test_the_truth_reads_back_as_it_was_written_across_blocks() -> None:
    log = TruthLog()
    rows = BLOCK_ROWS * 2 + 3
    for number in range(rows):
        log.add(number, -number, 0, 1, 2, 200, 0, End.COMPLETE, True, -1, 10, 0, 5, 1.5, 0.1, 0.01, 0.2, 0.0, 0.0, 0.0)
    read = log.read()
    assert read.dtype == TRUTH
    assert len(read) == rows
    assert read["prompt"].tolist() == [-number for number in range(rows)]
    log.clear()
    assert len(log.read()) == 0
    log.close()


def test_a_certificate_is_refused_beyond_its_bound_and_for_lost_rows() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(loop)
        certificate = Certificate(loop, deadlines)
        for _ in range(2000):
            certificate.ledger.tokens.add(BOUND_S / 2)
        assert certificate.report(lost_rows=0)["valid"]
        assert certificate.report(lost_rows=3)["why_invalid"] == ["3 attempts did not fit into the truth log"]
        for _ in range(30):
            certificate.ledger.tokens.add(BOUND_S * 2)
        report = certificate.report(lost_rows=0)
        assert not report["valid"]
        assert "P99 lateness of token writes is 10.0 ms, more than 5 ms" in report["why_invalid"][0]
        assert certificate.report(lost_rows=0, p99_bound_s=0.02)["valid"], "whoever measures seconds can bear a late P99"
        for _ in range(4000):
            certificate.ledger.tokens.add(BOUND_S * 2)
        assert "P50 lateness" in certificate.report(lost_rows=0, p99_bound_s=0.02)["why_invalid"][0], "but not a late median"
        deadlines.close()

    asyncio.run(main())


@pytest.mark.parametrize(("seconds", "spelt"), [(0.012, "12ms"), (1.0, "1s"), (6.5, "6.5s"), (360.0, "6m0s"), (3661.0, "1h1m1s")])
def test_resets_are_spelt_as_openai_spells_them(seconds: float, spelt: str) -> None:
    assert spell_duration(seconds) == spelt


def test_an_empty_chunk_is_no_chunk_because_it_would_end_the_answer() -> None:
    assert http_bytes.chunk(b"") == b""
    assert http_bytes.chunk(b"abc") == b"3\r\nabc\r\n"


def test_an_example_fits_its_schema_however_deep() -> None:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    assert "x" in example(schema)
    assert example({"type": ["integer", "null"], "minimum": 7}) == 7
    assert example({"anyOf": [{"const": "a"}, {"const": "b"}]}) == "a"


@pytest.mark.sockets
def test_the_truth_is_the_same_as_lines_and_as_arrow(openai_mock: Handle) -> None:
    for number in range(3):
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        openai_mock.post("/v1/chat/completions", json=body, headers={"x-tenfold-request": str(number)})
    lines = openai_mock.settled(3)
    table = pa.ipc.open_file(httpx.get(f"{openai_mock.url}/_mock/truth?format=arrow").content).read_all()
    assert set(TRUTH_COLUMNS) <= set(table.column_names)
    assert table.select(["request", "model", "end", "output_tokens"]).to_pylist() == [
        {name: row[name] for name in ("request", "model", "end", "output_tokens")} for row in lines
    ]
    assert [row["request"] for row in lines] == [0, 1, 2]


@pytest.mark.sockets
def test_metrics_count_what_happened(openai_mock: Handle) -> None:
    openai_mock.restart({"kind": "rate-limit", "first": 1})
    body = {"model": "m", "messages": [{"role": "user", "content": "[tf:9:7]12345678"}], "stream": True}
    assert [openai_mock.post("/v1/chat/completions", json=body).status_code for _ in range(3)] == [429, 200, 200]
    small = {**body, "model": "small", "messages": [{"role": "user", "content": "[tf:9:7]" + 100 * "1234"}]}
    assert openai_mock.post("/v1/chat/completions", json=small).status_code == 429
    assert openai_mock.post("/v1/chat/completions", json=small).status_code == 400
    seen = exposed(openai_mock)

    def attempts(model: str, status: int, end: str, refused_by: str = "") -> float:
        return seen["tenfold_mock_attempts_total", model, str(status), end, refused_by]

    assert attempts("m", 429, "error", "fault: rate-limit") == 1
    assert attempts("m", 200, "complete") == 2
    assert attempts("small", 400, "error", "context window") == 1
    assert [seen["tenfold_mock_tokens_total", "m", kind] for kind in ("input", "cached", "output")] == [4, 0, 14]
    assert seen["tenfold_mock_serving",] == 0
    lateness = "tenfold_mock_token_lateness_seconds"
    assert seen[f"{lateness}_bucket", "+Inf"] == seen[f"{lateness}_count",] == 14


def exposed(mock: Handle) -> dict[tuple[str, ...], float]:
    """Samples of the mock's metrics by name and values of their labels."""
    order = ("model", "status", "end", "refused_by", "kind", "le")
    families = text_string_to_metric_families(httpx.get(f"{mock.url}/_mock/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    assert {sample.labels["provider"] for sample in samples} == {mock.provider}
    return {(sample.name, *(sample.labels[name] for name in order if name in sample.labels)): sample.value for sample in samples}


@pytest.mark.sockets
def test_faults_come_and_go_at_run_time(openai_mock: Handle) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    url = f"{openai_mock.url}/_mock/faults"
    assert httpx.post(url, json={"kind": "outage", "for": "1h"}).json() == {"faults": 1}
    assert openai_mock.post("/v1/chat/completions", json=body).status_code == 503
    assert [(fault["kind"], fault["injected"]) for fault in httpx.get(url).json()] == [("outage", True)]
    assert httpx.delete(url).json() == {"removed": 1}
    assert openai_mock.post("/v1/chat/completions", json=body).status_code == 200


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("fault", "error"),
    [({"model": "nobody"}, "provider openai has no model 'nobody'"), ({"every": SHORT, "lasting": SHORT}, "more than 100000 times")],
)
def test_a_fault_that_cannot_strike_is_refused(openai_mock: Handle, fault: dict[str, object], error: str) -> None:
    url = f"{openai_mock.url}/_mock/faults"
    response = httpx.post(url, json={"kind": "outage", "for": "10h", **fault})
    assert response.status_code == 400
    assert error in response.json()["error"]
    assert httpx.get(url).json() == []
