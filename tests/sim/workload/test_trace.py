"""Replay: the trace itself at scale 1, its peaks' shape at every other, and strict reading."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from sim.scenario.errors import ScenarioError
from sim.stochastics.random_streams import Purpose, uniforms
from sim.workload import trace as trace_module
from sim.workload.rates import RateCurve
from sim.workload.schedule import build_schedule
from sim.workload.trace import read_trace
from tests.sim.workload.workloads import CONSTANT, GEOMETRIC_4, PLAIN, THINK, make

ALPHA = 1e-4
Z = stats.norm.isf(ALPHA / 2)
SPAN_S = 1200.0


def swelling_times(seed=5):
    """Poisson calls at 10/s that swell to 30/s and back within a minute, every two minutes, for 20 minutes."""
    edges = np.arange(0, SPAN_S + 1, 30.0)
    rate = np.tile([10.0, 30.0, 10.0, 10.0], 11)[: len(edges)]
    curve = RateCurve(edges[:-1], edges[1:], rate[:-1], rate[1:])
    total = np.cumsum(-np.log(uniforms(seed, Purpose.ARRIVAL_GAP, np.arange(40_000))))
    return curve.times(total[total < curve.expected[-1]])


def write_azure(path, at_s, sizes=None):
    start = datetime(2023, 11, 16, 18, 15, 46, 680590, tzinfo=UTC)
    sizes = sizes or [(100 + i % 900, 10 + i % 90) for i in range(len(at_s))]
    stamps = [f"{start + timedelta(seconds=float(at)):%Y-%m-%d %H:%M:%S.%f}0" for at in at_s]
    rows = [f"{stamp},{asked},{made}" for stamp, (asked, made) in zip(stamps, sizes, strict=True)]
    path.write_bytes("\r\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]).encode())
    return path


def write_mooncake(path, rows):
    names = ("timestamp", "input_length", "output_length", "hash_ids")
    path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    return path


def replayed(path, scale=1.0, duration="1h", jitter="1s", **more):
    return build_schedule(make({"kind": "trace", "file": str(path), "jitter": jitter}, duration, **more), scale)


@pytest.fixture(scope="module")
def azure(tmp_path_factory):
    return write_azure(tmp_path_factory.mktemp("trace") / "azure.csv", swelling_times())


def per_window(schedule, window_s):
    n = int(schedule.duration_s // window_s)
    return np.bincount((schedule.arrival_s // window_s).astype(int), minlength=n)[:n]


def test_at_scale_one_the_trace_is_replayed_as_it_is(azure):
    schedule, at_s = replayed(azure), swelling_times()
    assert schedule.arrival_s == pytest.approx(at_s - at_s[0], abs=2e-6)
    assert schedule.input_tokens.tolist() == [100 + i % 900 for i in range(len(at_s))]
    assert schedule.output_tokens.tolist() == [10 + i % 90 for i in range(len(at_s))]
    assert schedule.conversation.tolist() == schedule.prompt.tolist() == list(range(len(at_s)))
    assert schedule.duration_s == np.floor(at_s[-1] - at_s[0]) + 1


def test_a_shorter_duration_cuts_the_trace(azure):
    whole, cut = replayed(azure), replayed(azure, duration="100s")
    assert cut.duration_s == 100
    assert np.array_equal(cut.arrival_s, whole.arrival_s[whole.arrival_s < 100])


def test_gzip_reads_the_same(azure, tmp_path):
    packed = tmp_path / "azure.csv.gz"
    packed.write_bytes(gzip.compress(azure.read_bytes()))
    assert np.array_equal(replayed(packed).arrival_s, replayed(azure).arrival_s)


@pytest.mark.parametrize("scale", [2.0, 10.0])
def test_a_whole_scale_copies_every_call_and_leaves_the_first_at_its_time(azure, scale):
    once, more = replayed(azure), replayed(azure, scale)
    assert len(more) == scale * len(once)
    assert np.isin(once.arrival_s, more.arrival_s).all()
    assert np.bincount(more.input_tokens).tolist() == (np.bincount(once.input_tokens) * int(scale)).tolist()


def test_a_fractional_scale_copies_a_share_of_the_calls(azure):
    calls = len(replayed(azure))
    for scale in (0.3, 2.6):
        found = len(replayed(azure, scale))
        share = scale % 1
        assert abs(found - scale * calls) < Z * np.sqrt(calls * share * (1 - share))
    thinned = replayed(azure, 0.3)
    assert np.isin(thinned.arrival_s, replayed(azure).arrival_s).all()


def test_copies_move_by_no_more_than_the_jitter_and_evenly(tmp_path):
    path = write_azure(tmp_path / "one.csv", [0.0, 50.0, 100.0])
    moved = replayed(path, 2001.0, jitter="10s").arrival_s
    middle = moved[np.abs(moved - 50) <= 10] - 50
    assert len(middle) == 2001
    assert stats.kstest(middle, stats.uniform(-10, 20).cdf).pvalue > ALPHA
    assert (moved >= 0).all()  # those of the first call that would come before the trace are reflected into it
    assert len(moved) == 3 * 2001


def test_wide_peaks_keep_their_shape_and_narrow_ones_are_smoothed(azure):
    runs = {scale: replayed(azure, scale) for scale in (1.0, 10.0, 100.0)}
    wide = {scale: per_window(run, 10.0) / scale for scale, run in runs.items()}
    for scale in (10.0, 100.0):
        # 10 s windows differ only by the calls that the jitter moves over their two edges, on average a quarter of 1 s of calls each.
        assert np.abs(wide[scale] - wide[1.0]).mean() < 0.1 * wide[1.0].mean()
        assert wide[scale].max() / wide[scale].mean() == pytest.approx(wide[1.0].max() / wide[1.0].mean(), rel=0.1)
    narrow = [per_window(run, 1.0) for run in runs.values()]
    peaks = [each.max() / each.mean() for each in narrow]
    assert peaks[0] > peaks[1] >= 0.98 * peaks[2] > wide[1.0].max() / wide[1.0].mean()


def test_dispersion_grows_with_the_scale_as_a_swelling_rate_makes_it(azure):
    dispersion = {scale: np.var(each) / np.mean(each) for scale in (10.0, 100.0) for each in [per_window(replayed(azure, scale), 1.0)]}
    assert (dispersion[100.0] - 1) / (dispersion[10.0] - 1) == pytest.approx(10, rel=0.1)


def test_copies_are_other_prompts_by_other_users(azure):
    schedule = replayed(azure, 3.0)
    assert len(np.unique(schedule.prompt)) == len(schedule)
    assert schedule.user.max() < 3000


def test_mooncakes_coarse_clock_is_spread_evenly(tmp_path):
    rows = [(3000 * (i // 10), 700 + i, 50, [i]) for i in range(5000)]
    schedule = replayed(write_mooncake(tmp_path / "coarse.jsonl", rows))
    assert len(schedule) == 5000
    stamp = 3 * ((schedule.input_tokens - 700) // 10)
    assert stats.kstest(schedule.arrival_s - stamp, stats.uniform(0, 3).cdf).pvalue > ALPHA


def test_a_fine_clock_is_left_alone(tmp_path):
    rows = [(stamp, 700, 50, [i]) for i, stamp in enumerate([0, 17, 17, 1500, 9000])]
    assert replayed(write_mooncake(tmp_path / "fine.jsonl", rows)).arrival_s.tolist() == [0, 0.017, 0.017, 1.5, 9.0]
    sparse = [(stamp, 700, 50, [i]) for i, stamp in enumerate([0, 2000, 7000])]
    assert replayed(write_mooncake(tmp_path / "sparse.jsonl", sparse)).arrival_s.tolist() == [0, 2, 7]


def test_equal_hashes_are_equal_prompts_with_equal_answers(tmp_path):
    rows = [(0, 700, 50, [1, 2]), (100, 900, 60, [1, 3]), (200, 700, 99, [1, 2]), (300, 701, 70, [1, 2]), (400, 5, 5, []), (500, 5, 5, [])]
    schedule = replayed(write_mooncake(tmp_path / "same.jsonl", rows))
    assert schedule.prompt.tolist() == [0, 1, 0, 2, 3, 4]
    assert schedule.output_tokens.tolist() == [50, 60, 50, 70, 5, 5]
    copies = replayed(tmp_path / "same.jsonl", 2.0)
    assert np.unique(copies.prompt, return_counts=True)[1].tolist().count(2) == 2


def test_tokens_are_the_traces_and_classes_come_by_share(azure):
    classes = [
        {"name": "faq", "share": 0.5, "prompts": {"catalog": 5}, "tokens": {"input": CONSTANT, "output": CONSTANT}},
        {**PLAIN, "share": 0.5},
    ]
    schedule = replayed(azure, requests=classes)
    n = len(schedule)
    assert abs((schedule.kind == 0).sum() - n / 2) < Z * np.sqrt(n) / 2
    own = np.flatnonzero(schedule.kind == 1)
    assert np.array_equal(schedule.prompt[own], 5 + own)
    assert np.array_equal(schedule.input_tokens[own], 100 + own % 900)
    shared = np.flatnonzero(schedule.kind == 0)
    sizes = np.unique(np.stack([schedule.prompt, schedule.input_tokens, schedule.output_tokens], axis=1)[shared], axis=0)
    assert len(sizes) == 5
    assert ((sizes[:, 1] - 100) % 90 == (sizes[:, 2] - 10) % 90).all()  # both from one row


def test_a_trace_does_not_go_with_conversations(azure):
    with pytest.raises(ScenarioError, match=r"workload.conversations: a trace says when every call comes"):
        replayed(azure, conversations={"turns": GEOMETRIC_4, "think": THINK})


def test_a_trace_out_of_order_is_put_in_order(tmp_path):
    schedule = replayed(write_azure(tmp_path / "mixed.csv", [5.0, 0.0, 2.0], [(5, 1), (6, 1), (7, 1)]))
    assert schedule.arrival_s.tolist() == [0, 2, 5]
    assert schedule.input_tokens.tolist() == [6, 7, 5]


def test_a_changed_file_is_read_again(tmp_path):
    path = write_azure(tmp_path / "growing.csv", [0.0, 1.0])
    assert len(replayed(path)) == 2
    write_azure(path, [0.0, 1.0, 2.0])
    assert len(replayed(path)) == 3


HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
GOOD = "2023-11-16 18:15:46.6805900,374,44\n"
BAD_FILES = [
    ("", "1:1: expected a trace, found an empty file"),
    ("time,in,out\n" + GOOD, "1:1: expected the header TIMESTAMP,ContextTokens,GeneratedTokens"),
    (HEADER, "2:1: expected at least one call"),
    (HEADER + GOOD + "2023-11-16 18:15:46,374\n", "3:1: expected 3 fields, found 2"),
    (HEADER + "yesterday,374,44\n", "2:1: expected a time such as .* found 'yesterday'"),
    (HEADER + GOOD + "2023-11-16 18:15:46+00:00,1,1\n", "3:1: expected a time"),
    (HEADER + "2023-11-16 18:15:46,-4,44\n", "2:1: expected ContextTokens to be a whole number from 0 to 1,000,000, found '-4'"),
    (HEADER + "2023-11-16 18:15:46,4,4.5\n", "2:1: expected GeneratedTokens"),
    (HEADER + "2023-11-16 18:15:46,99999999,4\n", "2:1: expected ContextTokens"),
    ('{"timestamp": 0, "input_length": 1, "output_length": 1}\n{"timestamp": 0,\n', "2:1: expected a JSON object"),
    ('{"timestamp": -1, "input_length": 1, "output_length": 1}', "1:1: expected a timestamp in milliseconds, found -1"),
    ('{"timestamp": NaN, "input_length": 1, "output_length": 1}', "1:1: expected a timestamp in milliseconds, found nan"),
    ('{"timestamp": 0, "input_length": true, "output_length": 1}', "1:1: expected input_length .* found True"),
    ('{"timestamp": 0, "input_length": 1}', "1:1: expected output_length .* found None"),
    ('{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": [1.5]}', "1:1: expected hash_ids"),
    ("{" + "[" * 100_000, "1:1: expected a JSON object"),
]


@pytest.mark.parametrize(("text", "message"), BAD_FILES, ids=[message[:40] for _, message in BAD_FILES])
def test_bad_traces_are_refused_with_file_and_line(tmp_path, text, message):
    path = tmp_path / "bad.trace"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=f"bad.trace:{message}"):
        replayed(path)


def test_long_lines_and_long_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(trace_module, "MAX_LINE", 100)
    monkeypatch.setattr(trace_module, "MAX_ROWS", 3)
    path = tmp_path / "long.csv"
    path.write_text(HEADER + "x" * 101)
    with pytest.raises(ScenarioError, match=r"long.csv:2:1: line longer than 100 characters"):
        replayed(path)
    path.write_text(HEADER + GOOD * 3)
    with pytest.raises(ScenarioError, match=r"long.csv:4:1: more than 3 lines"):
        replayed(path)


@pytest.mark.parametrize(("content", "message"), [(b"\xff\xfe\x00", "1:1: expected UTF-8"), (b"\x1f\x8bnot gzip", "cannot read the trace")])
def test_files_that_are_no_text_are_refused(tmp_path, content, message):
    path = tmp_path / "binary"
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=message):
        replayed(path)


def test_damaged_gzip_and_missing_files_are_refused(tmp_path, azure):
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(azure.read_bytes())[:-2000])
    with pytest.raises(ScenarioError, match=r"cut.csv.gz: cannot read the trace"):
        replayed(path)
    with pytest.raises(ScenarioError, match=r"none.csv: cannot read the trace: No such file"):
        replayed(tmp_path / "none.csv")


def test_a_scale_that_does_not_fit_into_memory_is_refused(azure):
    with pytest.raises(ScenarioError, match=r"calls, more than the 50,000,000"):
        replayed(azure, 1e6)


def test_the_format_can_be_stated(azure):
    arrivals = make({"kind": "trace", "file": str(azure), "format": "mooncake"}).workload.arrivals
    with pytest.raises(ScenarioError, match=r"azure.csv:1:1: expected a JSON object"):
        read_trace(arrivals)
