"""tenfold import, from the command line: a scenario that loads, reproduces its log, and says how well; nothing secret in it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from loadtest.cli import exit_codes
from loadtest.cli.back_test import BackTest, Figure
from loadtest.cli.importing import steady_rps
from loadtest.cli.main import run
from loadtest.targets.litellm import TARGET
from sim.gateway.language import load
from tests.sim.importing import logs

CONFIG = f"""
model_list:
  - model_name: chat-gpt
    litellm_params: {{model: openai/gpt-4o-mini, api_key: {logs.SECRET}, rpm: 600, tpm: 1000000}}
  - model_name: chat-gpt
    litellm_params: {{model: azure/gpt-4o-mini, api_key: {logs.SECRET}, api_base: https://x.example.com, weight: 1}}
  - model_name: chat-cla
    litellm_params: {{model: anthropic/claude-haiku-4-5, api_key: {logs.SECRET}}}
router_settings: {{routing_strategy: simple-shuffle, num_retries: 1, timeout: 60, stream_timeout: 20, cooldown_time: 10, allowed_fails: 4}}
litellm_settings:
  cache: true
  cache_params: {{type: redis, ttl: 300, password: {logs.SECRET}}}
  fallbacks: [{{chat-gpt: [chat-cla]}}]
  guardrails: [pii]
general_settings: {{master_key: {logs.SECRET}, database_url: postgres://u:{logs.SECRET}@db/x}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG)
    rows = [logs.payload(each, number) for number, each in enumerate(logs.truth(3000).rows())]
    logs.write_lines(tmp_path / "spend.jsonl", rows)
    return tmp_path


@pytest.mark.slow
def test_a_log_is_reproduced_within_the_bars(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "litellm", "--logs", "spend.jsonl", "-o", "my.yaml", "-q"]) == exit_codes.OK
    out = capsys.readouterr().out
    assert out.startswith("The scenario reproduces its log at 1x: P50 ")
    assert "fitted on the first 70 %, the rest came out within its interval" in out
    assert load("my.yaml").warnings == ()
    answer = json.loads((folder / "my.evidence" / "import.json").read_text())
    assert answer["back_test"]["ok"]
    assert {path.name for path in (folder / "my.evidence").glob("*.svg")} == set(answer["pictures"])
    assert len(answer["pictures"]) > 5


@pytest.mark.slow
def test_neither_prompts_nor_keys_are_written(folder: Path) -> None:
    assert run(["import", "litellm", "config.yaml", "--logs", "spend.jsonl", "-o", "out/my.yaml", "-q"]) == exit_codes.OK
    for path in (folder / "out").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert logs.SECRET.encode() not in content, path
            assert logs.PROMPT.encode() not in content, path
            assert b"user-1" not in content, path


@pytest.mark.slow
def test_a_configuration_gives_routes_limits_and_policies(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "litellm", "config.yaml", "--logs", "spend.jsonl", "-o", "my.yaml", "--json", "-q"]) == exit_codes.OK
    answer = json.loads(capsys.readouterr().out)
    gateway = load("my.yaml").scenario.gateway
    assert gateway.retry.attempts == 2
    assert gateway.timeout.first_token == 20
    assert gateway.timeout.total is None
    assert (gateway.ejection.kind, gateway.ejection.cooldown_time, gateway.ejection.allowed_fails) == ("litellm", 10, 4)
    assert gateway.cache[0].ttl == 300
    assert gateway.fallback == ("next-provider",)
    assert gateway.routing.capabilities["chat-gpt"] == ("openai/gpt-4o-mini", "azure/gpt-4o-mini", "anthropic/claude-haiku-4-5")
    assert load("my.yaml").scenario.providers["openai"].limits.requests.count == 600
    assert "litellm_settings.guardrails" in {each["key"] for each in answer["not_modelled"]}
    assert "guardrail" in (folder / "my.yaml").read_text()


def test_a_configuration_alone_says_what_it_assumes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "litellm", "config.yaml", "-o", "my.yaml", "-q"]) == exit_codes.OK
    assert capsys.readouterr().out.startswith("No log: routes")
    assert "ASSUMPTION" in (folder / "my.yaml").read_text()
    load("my.yaml")


def test_a_proxy_of_one_group_can_be_measured_as_it_was_imported(folder: Path) -> None:
    (folder / "one.yaml").write_text(
        """model_list:
  - {model_name: small, litellm_params: {model: openai/gpt-4o-mini, rpm: 5000, tpm: 2000000}}
  - {model_name: small, litellm_params: {model: anthropic/claude-haiku-4-5, rpm: 4000}}
router_settings: {num_retries: 2, allowed_fails: 3, cooldown_time: 30}
litellm_settings: {request_timeout: 60}
"""
    )
    assert run(["import", "litellm", "one.yaml", "-o", "my.yaml", "-q"]) == exit_codes.OK
    assert TARGET.cannot(load("my.yaml")) == []


def test_a_scenario_that_does_not_reproduce_its_log_says_what_is_off_before_all_else(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.write_lines(folder / "few.jsonl", [logs.litellm(each, number) for number, each in enumerate(logs.truth(11).rows())])
    assert run(["import", "litellm", "config.yaml", "--logs", "few.jsonl", "-o", "my.yaml", "-q"]) == exit_codes.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("The scenario does NOT reproduce its log at 1x: P50 ")
    assert "and availability " in lines[0]
    assert lines[-1].startswith("next: put that right before any other scale")
    (off,) = [line for line in lines if line.startswith("off: ")]
    assert off.startswith("off: cost: $")
    assert "change providers.NAME.models.MODEL.price" in off
    assert off.endswith("or import a longer log, 11 calls are few")


@pytest.mark.parametrize(
    ("predicted", "says"), [(0.9785, []), (0.9999, ["off: availability: 97.85 % in the log, 99.990 % predicted: change "])]
)
def test_an_availability_that_retries_healed_is_off(predicted: float, says: list[str]) -> None:
    tested = BackTest({"availability": Figure(0.9785, None, None, predicted, None, None)}, 5000)
    assert tested.ok == (not says)
    assert [line.partition("providers")[0] for line in tested.off()] == says


@pytest.mark.slow
def test_the_same_log_gives_the_same_scenario(folder: Path) -> None:
    for name in ("a", "b"):
        assert run(["import", "litellm", "spend.jsonl", "-o", f"{name}/my.yaml", "-q"]) == exit_codes.OK
    assert Path("a/my.yaml").read_text() == Path("b/my.yaml").read_text()
    assert {p.name: p.read_bytes() for p in Path("a/my.evidence").iterdir()}.keys() == {p.name for p in Path("b/my.evidence").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["litellm", "-o", "x.yaml"], "give a log, or a LiteLLM configuration"),
        (["otel", "config.yaml", "-o", "x.yaml"], "only litellm has a configuration"),
        (["otel", "nowhere.jsonl", "-o", "x.yaml"], "nowhere.jsonl: no such file"),
        (["litellm", "config.yaml", "--logs", ".", "-o", "x.yaml"], ".: is a directory; name the files in it"),
        (["litellm", "packed.yaml.gz", "-o", "x.yaml"], "unpack it, and give the packed.yaml"),
        (["table", "spend.jsonl", "-o", "x.yaml", "--map", "start"], "expected ours=theirs"),
        (["table", "spend.jsonl", "-o", "x.yaml", "--map", "start=begin"], "the log has"),
        (["litellm", "spend.jsonl", "-o", "config.yaml"], "--force overwrites it"),
        (["litellm", "spend.jsonl", "-o", "x.json"], "ends in .yaml"),
        (["nginx", "spend.txt", "-o", "x.yaml"], "spend.txt:1:1: no known format of nginx"),
    ],
)
def test_wrong_use_exits_2(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    (folder / "spend.txt").write_text("one line of prose\n")
    (folder / "packed.yaml.gz").write_bytes(gzip.compress(CONFIG.encode()))
    assert run(["import", *arguments, "-q"]) == exit_codes.USAGE
    assert says in capsys.readouterr().err
    assert not Path("x.yaml").exists()


@pytest.mark.parametrize(
    ("overrides", "rate"),
    [
        (("faults=[]",), 20.0),
        ((), None),  # demo has an outage
        (("faults=[]", "gateway.spend_limit={per_user_usd: 1}"), None),
        (("faults=[]", "workload.arrivals={kind: users, daily_active: 86400, calls_per_day: 10}", "workload.duration=2h"), 10.0),
        (("faults=[]", "workload.arrivals={kind: users, daily_active: 86400, calls_per_day: 10}", "workload.duration=3h"), None),
    ],
)
def test_a_back_test_is_cut_short_where_every_part_is_like_another(overrides: tuple[str, ...], rate: float | None) -> None:
    assert steady_rps(load("demo", ("workload.arrivals=20/s", *overrides))) == (rate and pytest.approx(rate))
