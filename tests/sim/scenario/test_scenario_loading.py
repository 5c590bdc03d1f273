"""Loading: what a good file gives, what ``extends`` and ``--set`` change, and what the hash depends on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sim.gateway.language import load
from sim.gateway.stages.route import Capability
from sim.scenario.distributions import Empirical, Lognormal
from sim.scenario.errors import ScenarioError
from sim.scenario.load import MOST_BASES
from sim.scenario.model import Trace
from sim.scenario.shipped import shipped_folder, shipped_names

HERE = Path(__file__).parent
VALID = HERE / "valid.yaml"


@pytest.fixture
def write(tmp_path: Path):
    def writer(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return writer


def extending(text: str) -> str:
    return VALID.read_text() + text


def refusal(path: Path | str, *overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides)
    return str(caught.value)


WITHOUT_A_ROUTE = {  # on purpose: a provider that is there, and not used
    "guide/mistakes/single_provider_before": ["providers.anthropic"],
    "guide/break_even/own_server": ["providers.openai"],
}


# ---- shipped scenarios ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_scenario_loads_and_its_resolved_text_gives_the_same_again(name: str, write) -> None:
    loaded = load(shipped_folder() / f"{name}.yaml")
    again = load(write("resolved.yaml", loaded.yaml_text))
    assert (again.sha256, again.scenario, again.yaml_text) == (loaded.sha256, loaded.scenario, loaded.yaml_text)
    assert [warning.path for warning in loaded.warnings] == WITHOUT_A_ROUTE.get(name, [])


def test_a_shipped_scenario_is_found_by_its_name() -> None:
    assert load("launch").sha256 == load(shipped_folder() / "launch.yaml").sha256
    assert load("mm1").scenario.name == "mm1"
    assert load("chaos/provider_blackout").scenario.name == "provider-blackout"


def test_the_launch_scenario_says_what_the_file_says() -> None:
    scenario = load("launch").scenario
    assert scenario.workload.arrivals.rate.rps == 4
    assert scenario.workload.duration == 600
    assert isinstance(scenario.gateway.routing, Capability)
    assert scenario.gateway.routing.capabilities["small"] == ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5")
    assert scenario.providers["openai"].models["gpt-4o"].ttft == Lognormal(kind="lognormal", median="800ms", sigma=0.4)


# ---- files that cannot be read -------------------------------------------------------------------------------------------
def test_a_missing_file_is_named_with_its_nearest_neighbour(tmp_path: Path, write) -> None:
    write("launch.yaml", "")
    assert refusal(tmp_path / "lanch.yaml") == f"{tmp_path}/lanch.yaml: no such file\n    did you mean '{tmp_path}/launch.yaml'?"


def test_a_misspelt_name_of_a_shipped_scenario_finds_it() -> None:
    assert "did you mean 'chaos/provider_blackout'?" in refusal("chaos/provider_blakout")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: is a directory; expected a scenario file"


def test_a_device_is_refused() -> None:
    assert refusal("/dev/null") == "/dev/null: is not a regular file"


def test_a_file_that_is_too_large_is_refused_before_it_is_read(write) -> None:
    path = write("large.yaml", "")
    with path.open("wb") as file:
        file.truncate(2**32)
    assert "has 4,294,967,296 bytes; a scenario may have 4,194,304" in refusal(path)


# ---- the hash ------------------------------------------------------------------------------------------------------------
def test_comments_key_order_and_spelling_do_not_change_the_hash(write) -> None:
    text = VALID.read_text()
    reordered = text.replace("tenfold: 1\nname: valid\nseed: 3\n", "") + "seed: 3  # dice\nname: valid\ntenfold: 1\n"
    respelt = (
        text.replace("2m\n", "120s\n", 1)
        .replace("250ms", "0.25s")
        .replace("share: 0.75", "share: 7.5e-1")
        .replace("rate: 2/s", "rate: 2.0 / s")
    )
    assert reordered != text != respelt
    hashes = {load(write("a.yaml", each)).sha256 for each in (text, reordered, respelt, "# note\n" + text)}
    assert len(hashes) == 1


def test_the_order_of_providers_changes_neither_the_hash_nor_the_scenario(write) -> None:
    text = VALID.read_text()
    start, middle, end = text.index("  openai:\n"), text.index("  anthropic:\n"), text.index("faults:")
    swapped = text[:start] + text[middle:end] + text[start:middle] + text[end:]
    one, other = load(VALID), load(write("swapped.yaml", swapped))
    assert one.sha256 == other.sha256
    assert list(one.scenario.providers) == list(other.scenario.providers)


@pytest.mark.parametrize("change", ["seed=4", "workload.arrivals.rate=3/s", "gateway.cancel_on_disconnect=false", "budgets=[]"])
def test_any_change_of_substance_changes_the_hash(change: str) -> None:
    assert load(VALID, [change]).sha256 != load(VALID).sha256


def test_extending_without_differences_keeps_the_hash(write) -> None:
    write("valid.yaml", VALID.read_text())
    assert load(write("same.yaml", "extends: valid.yaml\n")).sha256 == load(VALID).sha256


def test_a_scenario_survives_values_that_print_with_exponents(write) -> None:
    loaded = load(
        VALID, ["gateway.retry.backoff.base=10us", "gateway.limits.global.tokens=123456789012345/day", "workload.arrivals.rate=0.5/ms"]
    )
    assert load(write("again.yaml", loaded.yaml_text)).sha256 == loaded.sha256
    assert loaded.scenario.gateway.retry.backoff.base == pytest.approx(1e-5)


def test_text_that_looks_like_something_else_stays_text(write) -> None:
    text = VALID.read_text().replace("name: faq", 'name: "1e3"').replace("seed: 3", "seed: 3\ndescription: 'yes'")
    loaded = load(write("quoted.yaml", text))
    assert loaded.scenario.workload.requests[0].name == "1e3"
    assert load(write("again.yaml", loaded.yaml_text)).scenario == loaded.scenario


# ---- files that a scenario names -----------------------------------------------------------------------------------------
def test_recorded_values_are_taken_in_so_that_the_resolved_scenario_stands_alone(write) -> None:
    write("data/think.txt", "# seconds between turns\n5s\n\n12.5s\n250ms\n")
    path = write("a.yaml", extending(""))
    loaded = load(path, [])
    before = loaded.sha256
    text = path.read_text().replace("think: {kind: lognormal, median: 20s, p99: 2m}", "think: {kind: empirical, file: data/think.txt}")
    loaded = load(write("a.yaml", text))
    law = loaded.scenario.workload.conversations.think
    assert isinstance(law, Empirical)
    assert law.values == (5.0, 12.5, 0.25)
    assert law.file is None
    assert loaded.sha256 != before
    assert load(write("elsewhere/b.yaml", loaded.yaml_text)).sha256 == loaded.sha256


def test_a_trace_counts_by_its_content_wherever_it_lies(write, tmp_path: Path) -> None:
    content = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"
    hashes = set()
    for folder in ("one", "two"):
        write(f"{folder}/calls.csv", content)
        text = VALID.read_text().replace("arrivals: {kind: poisson, rate: 2/s}", "arrivals: {kind: trace, file: calls.csv}")
        text = "\n".join(line for line in text.splitlines() if "conversations:" not in line)
        loaded = load(write(f"{folder}/a.yaml", text))
        arrivals = loaded.scenario.workload.arrivals
        assert isinstance(arrivals, Trace)
        assert arrivals.file == str(tmp_path / folder / "calls.csv")
        assert arrivals.sha256 == hashlib.sha256(content.encode()).hexdigest()
        hashes.add(loaded.sha256)
    assert len(hashes) == 1
    resolved = write("resolved.yaml", loaded.yaml_text)
    write("two/calls.csv", content + "2023-11-16 18:15:50.9951690,396,109\n")
    assert "is not the file that the scenario was made with" in refusal(resolved)


# ---- extends -------------------------------------------------------------------------------------------------------------
def test_mappings_merge_and_lists_replace(write) -> None:
    write("base.yaml", VALID.read_text())
    over = "extends: base.yaml\ngateway: {queue: {concurrency: 99}}\nbudgets: [availability > 90%]\n"
    scenario = load(write("over.yaml", over)).scenario
    assert scenario.gateway.queue.concurrency == 99
    assert scenario.gateway.queue.waiting == 20
    assert scenario.budgets == ("availability > 90%",)


def test_a_mapping_that_states_its_kind_replaces(write) -> None:
    write("base.yaml", VALID.read_text())
    over = "extends: base.yaml\nworkload: {conversations: {think: {kind: lognormal, median: 9s, sigma: 0.5}}}\n"
    law = load(write("over.yaml", over)).scenario.workload.conversations.think
    assert (law.median, law.sigma, law.p99) == (9.0, 0.5, None)


def test_a_gateway_that_states_its_kind_keeps_its_settings(write) -> None:
    write("base.yaml", VALID.read_text())
    gateway = load(write("over.yaml", "extends: base.yaml\ngateway: {kind: reference}\n")).scenario.gateway
    assert gateway.queue.concurrency == 8


def test_a_gateway_that_is_not_modelled_is_refused(write) -> None:
    write("base.yaml", VALID.read_text())
    told = refusal(write("over.yaml", "extends: base.yaml\ngateway: {kind: litellm}\n"))
    assert "over.yaml:2:17: gateway.kind: expected reference, found 'litellm'" in told


def test_null_removes_what_the_base_says(write) -> None:
    write("base.yaml", VALID.read_text())
    scenario = load(write("over.yaml", "extends: base.yaml\ngateway: {breaker: null, cache: null, fallback: null}\n")).scenario
    assert scenario.gateway.breaker is None
    assert scenario.gateway.cache == ()


def test_an_error_names_the_file_that_holds_the_line(write, tmp_path: Path) -> None:
    write("base/base.yaml", VALID.read_text().replace("attempts: 3", "attemps: 3"))
    message = refusal(write("over.yaml", "extends: base/base.yaml\nname: over\ngateway: {workers: none}\n"))
    assert f"{tmp_path}/base/base.yaml:27:11: gateway.retry.attemps: unknown key" in message
    assert f"{tmp_path}/over.yaml:3:20: gateway.workers: expected a whole number, found 'none'" in message


def test_a_chain_of_extends_ends_somewhere(write) -> None:
    write("s0.yaml", VALID.read_text())
    for number in range(1, MOST_BASES + 3):
        last = write(f"s{number}.yaml", f"extends: s{number - 1}.yaml\n")
    assert load(last.with_name(f"s{MOST_BASES}.yaml")).scenario.name == "valid"
    assert f"more than {MOST_BASES} files deep" in refusal(last)


def test_a_circle_of_extends_is_told_as_one(write) -> None:
    write("a.yaml", "extends: b.yaml\n")
    message = refusal(write("b.yaml", "extends: a.yaml\n"))
    assert "goes in a circle: b.yaml extends a.yaml extends b.yaml" in message


@pytest.mark.parametrize("base", ["/etc/passwd", "~/x.yaml", "x.txt", "[a.yaml]", "http://example.com/x.yml?y"])
def test_extends_takes_only_yaml_files_beside_or_around(write, base: str) -> None:
    assert "extends: expected a .yaml file relative to this one" in refusal(write("a.yaml", f"extends: {base}\n"))


# ---- --set ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("gateway.queue.concurrency=64", lambda s: s.gateway.queue.concurrency == 64),
        ("gateway.queue.concurrency=unlimited", lambda s: s.gateway.queue.concurrency == "unlimited"),
        ("workload.arrivals={kind: gamma, rate: 9/s, cv: 3}", lambda s: s.workload.arrivals.cv == 3),
        ("providers.openai.models.gpt-4o.price.input=9", lambda s: s.providers["openai"].models["gpt-4o"].price.input == 9),
        ('providers.openai.models["gpt-4o"].price.input=9', lambda s: s.providers["openai"].models["gpt-4o"].price.input == 9),
        ("gateway.sessions.store=redis", lambda s: s.gateway.sessions.store == "redis"),
        ("workload.requests.faq.prompts.catalog=7", lambda s: s.workload.requests[0].prompts.catalog == 7),
        ("workload.requests[0].prompts.catalog=7", lambda s: s.workload.requests[0].prompts.catalog == 7),
        ("workload.requests.0.prompts.catalog=7", lambda s: s.workload.requests[0].prompts.catalog == 7),
        ("gateway.breaker=null", lambda s: s.gateway.breaker is None),
        ("faults=[]", lambda s: s.faults == ()),
        ("description=a = b", lambda s: s.description == "a = b"),
        ("gateway.routing.small=[openai/gpt-4o]", lambda s: s.gateway.routing.capabilities["small"] == ("openai/gpt-4o",)),
    ],
)  # fmt: skip
def test_an_override_changes_one_value(override: str, read) -> None:
    assert read(load(VALID, [override]).scenario)


def test_later_overrides_win() -> None:
    assert load(VALID, ["seed=8", "seed=9"]).scenario.seed == 9


def test_a_key_with_dots_is_found_without_quotes(write) -> None:
    text = VALID.read_text().replace("gpt-4o-mini", "gpt-4.1-mini")
    scenario = load(write("dots.yaml", text), ["providers.openai.models.gpt-4.1-mini.ttft.median=2s"]).scenario
    assert scenario.providers["openai"].models["gpt-4.1-mini"].ttft.median == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gateway.queu.timeout=2s", "gateway.queu: unknown key\n    did you mean 'queue'?"),
        ("providers.openia.keys=2", "providers: no provider is called 'openia'\n    did you mean 'openai'?"),
        ("providers.openai.models.gpt-4o-mni.price.input=2", "no model is called 'gpt-4o-mni'\n    did you mean 'gpt-4o-mini'?"),
        ("workload.requests.fag.share=1", "no entry 'fag': the list has 2\n    did you mean 'faq'?"),
        ("workload.requests[2].share=1", "no entry 2: the list has 2"),
        ("faults[1].at=3s", "no entry 1: the list has 1\n    use an index such as [0]"),
        ("seed.x=1", "seed is a single value: it has no 'x'"),
        ("seed", "expected path.to.key=value"),
        ("=3", "expected path.to.key=value"),
        ("seed=[1", "not valid YAML"),
        ("a..b=1", "cannot read the path 'a..b'"),
        ("workload.duration=5", "workload.duration: expected a duration with its unit"),
        ("workload.duration=.nan", "workload.duration: expected a finite number"),
    ],
)
def test_an_override_that_cannot_be_applied_says_why(override: str, message: str) -> None:
    told = refusal(VALID, override)
    assert told.startswith(f"--set {override}: ")
    assert message in told


# ---- warnings ------------------------------------------------------------------------------------------------------------
def test_a_fault_that_outlasts_the_run_is_a_warning() -> None:
    (warning,) = load(VALID, ["faults[0].for=10m"]).warnings
    assert warning.path == "faults[0].for"
    assert "recovery will not be seen" in warning.message
