"""What a place of the scenario language means: ``tenfold explain``. All of it is read off the models; the table says who reads what."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.gateway.chain import STAGES
from sim.gateway.language import Scenario
from sim.scenario.budgets import find_metric
from sim.scenario.distributions import Law
from sim.scenario.find import Place, find, keys
from sim.scenario.metric_names import MetricName
from sim.scenario.places import branches, is_model, kinds
from sim.scenario.short_forms import short_key
from sim.scenario.units import Rate

USED_BY = {
    "gateway.kind": "sim/gateway/chain.py",
    "gateway": "sim/gateway/chain.py",
    "workload": "sim/workload/schedule.py",
    "workload.arrivals": "sim/workload/arrivals.py",
    "workload.arrivals.batch": "sim/workload/schedule.py",
    "workload.arrivals.stages": "sim/workload/rates.py",
    "workload.arrivals.users": "sim/workload/rates.py",
    "workload.arrivals.trace": "sim/workload/trace.py",
    "workload.arrivals.closed": "sim/workload/closed.py",
    "workload.arrivals.clients": "sim/workload/closed.py",
    "workload.duration": "sim/workload/schedule.py",
    "workload.warmup": "sim/analysis/warmup.py",
    "workload.client": "sim/engine/requests.py",
    "workload.client.patience": "sim/gateway/stages/admission.py",
    "workload.users": "sim/workload/calls.py",
    "workload.conversations": "sim/workload/conversations.py",
    "workload.requests": "sim/workload/calls.py",
    "workload.requests.*.needs": "sim/gateway/stages/route.py",
    "workload.requests.*.priority": "sim/gateway/stages/admission.py",
    "workload.requests.*.feature": "sim/analysis/breakdowns.py",
    "gateway.routing.memory": "sim/gateway/stages/upstream.py",
    "gateway.timeout.first_token": "sim/gateway/stages/upstream.py",
    "gateway.fallback": "sim/gateway/stages/retry.py",
    "gateway.cache": "sim/gateway/stages/exact_cache.py",
    "workload.requests.*.prompts": "sim/workload/calls.py",
    "workload.requests.*.prompts.topics": "sim/gateway/stages/semantic_cache.py",
    "workload.requests.*.prompts.common": "sim/gateway/stages/semantic_cache.py",
    "workload.requests.*.prompts.changes": "sim/gateway/stages/freshness.py",
    "providers": "sim/provider/attempt.py",
    "providers.*.keys": "sim/gateway/stages/api_keys.py",
    "providers.*.limits": "sim/provider/rate_limits.py",
    "providers.*.prompt_cache": "sim/provider/prompt_cache.py",
    "providers.*.models.*.price": "sim/provider/pricing.py",
    "providers.*.models.*.batching": "sim/provider/processor_sharing.py",
    "providers.*.models.*.cold_start": "sim/provider/latency_effects.py",
    "providers.*.models.*.doubles_at": "sim/provider/latency_effects.py",
    "providers.*.models.*.ttft_per_1k": "sim/provider/latency_effects.py",
    "providers.*.models.*.ttft_per_1k_cached": "sim/provider/latency_effects.py",
    "providers.*.models.*.preset": "sim/scenario/presets.py",
    "faults": "sim/provider/fault_timeline.py",
    "assertions": "sim/analysis/assertions.py",
    "expected": "loadtest/cli/check.py",
    "budgets": "sim/analysis/budgets.py",
    "seed": "sim/kernel/random.py",
    "analysis": "sim/analysis/warmup.py",
    "tenfold": "sim/scenario/load.py",
    "name": "sim/results/store.py",
    "description": "sim/report/render.py",
}
"""Place -> the file that reads it, besides the stage whose word it is. The longest path that a place begins with counts."""


EXTENDS = """extends
  the file, relative to this one, whose scenario this one changes: mappings are merged, anything else is replaced
  form: text, such as launch.yaml
  default: none
  used by: sim/scenario/load.py"""


def explain(path: str) -> str:
    """All that is known of the place, as text. Raises UnknownPlace."""
    if path == "extends":
        return EXTENDS
    found = find(Scenario, path)
    shown = dict.fromkeys(about(place) for place in found)
    return "\n\n".join([".".join(found[0].path), *shown, used_by(found[0].path)])


def explain_figure(name: str) -> str:
    """A figure as budgets name it: ``latency.p99``. Raises BudgetError where there is none of that name."""
    metric = find_metric(name, name)
    better = "" if metric.better == "neither" else f"; better when {metric.better}"
    return (
        f"{name}, a figure for budgets\n  {metric.says}\n  unit: {metric.unit}{better}\n  such as: budgets: ['{name} {example_of(metric)}']"
    )


def example_of(metric: MetricName) -> str:
    return f"{'>' if metric.better == 'higher' else '<'} {EXAMPLE_LIMITS.get(metric.unit, '100')}"


EXAMPLE_LIMITS = {"s": "8s", "/s": "20/s", "share": "1%", "USD": "900 USD"}


def about(place: Place) -> str:
    """What stands at a place: its meaning, form, default, keys or kinds."""
    lines = []
    if place.field is not None and place.field.description:
        lines.append(f"  {place.field.description.partition('; default:')[0]}")
    entries = [inner for each in place.types if get_origin(each) is tuple for inner in branches(get_args(each)[0])]
    models = [each for each in (*place.types, *entries) if is_model(each)]
    if place.owner is not None and len(kinds(place.owner)) == 1 and len(place.path) > 2:
        lines.append(f"  of kind {kinds(place.owner)[0]}")
    lines.append(f"  form: {form_of(place)}")
    if place.field is not None:
        lines.append(f"  default: {'none, it is required' if place.field.is_required() else default_of(place.field)}")
    source = said_of(models[0] if models else place.owner) if len(models) < 2 else ""
    if source:
        lines.append(f"  {'from' if models else 'among'}: {source}")
    if models:
        lines.append("")
        lines += of_kinds(models) if len(models) > 1 else of_keys(models[0])
    return "\n".join(lines)


def of_keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"  {field.alias or name}: {field.description or said_of(model)}"


def of_kinds(models: list[type[BaseModel]]) -> Iterator[str]:
    for model in models:
        own = ", ".join(key for key in model.model_fields if key != "kind") or "says all"
        if len(kinds(model)) > 1:
            yield f"  {', '.join(map(str, kinds(model)))}: {said_of(model)}"
            yield from of_keys(model)
        else:
            yield f"  {', '.join(map(str, kinds(model)))} ({own}): {said_of(model)}"


def said_of(model: type[BaseModel] | None) -> str:
    return " ".join((inspect.getdoc(model) or "").split()) if model is not None else ""


def form_of(place: Place) -> str:
    if place.field is None:
        return " or ".join(dict.fromkeys(form(each) for each in place.types))
    field = place.field
    return form(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)


def form(annotation: Any) -> str:
    """What may be written there, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marks = repr(arguments[1:])
        for parser, said in PARSED.items():
            if parser in marks:
                return said
        return form(arguments[0]) + bounds(arguments[1:])
    models = [each for each in branches(annotation) if is_model(each)]
    if any(issubclass(each, Law) for each in models):
        laws = ", ".join(kind for each in models for kind in kinds(each))
        return f"a distribution ({laws}), or one value, such as 400 or 800ms, always the same"
    if models:
        short = [short_key(each) for each in models if short_key(each)]
        words = [str(kind) for each in models for kind in kinds(each)]
        kind = f"a mapping with a kind, one of {', '.join(words)}" if len(words) > 1 else "a mapping"
        return kind + (f", or its {short[0]} alone" if short else "")
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}" if len(arguments) > 1 else str(arguments[0])
    if origin is tuple:
        return f"a list, of {form(arguments[0])}; one may stand without its list"
    if origin is dict:
        return f"a mapping from names to {form(arguments[1])}"
    if origin is not None:
        return " or ".join(form(each) for each in arguments if each is not type(None))
    return PLAIN.get(annotation, "text")


PARSED = {
    "parse_duration": "a duration with its unit, such as 250ms, 10s, 5m or 2h",
    "parse_rate": "a rate with its unit, such as 4/s, 60/min or 1000/h",
    "parse_share": "a share, such as 0.7 or 70%",
    "parse_quantity": "a duration with its unit, or a plain number",
}
PLAIN: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Rate: PARSED["parse_rate"]}
BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def bounds(marks: tuple[Any, ...]) -> str:
    flat = [inner for mark in marks for inner in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
    said = [
        f"{word} {getattr(mark, key):g}"
        for mark in flat
        for key, word in BOUNDS.items()
        if isinstance(getattr(mark, key, None), (int, float))
    ]
    return f", {' and '.join(said)}" if said else ""


def default_of(field: FieldInfo) -> str:
    if field.default is None:
        return "none" if "default:" not in (field.description or "") else (field.description or "").partition("default:")[2].strip()
    if isinstance(field.default, BaseModel):
        return json.dumps(field.default.model_dump(mode="json", by_alias=True, exclude_none=True)).replace('"', "")
    if isinstance(field.default, bool):
        return str(field.default).lower()
    if isinstance(field.default, tuple):
        return f"[{', '.join(map(str, field.default))}]"
    if isinstance(field.default, float):
        return f"{field.default:g}" + ("s" if "parse_duration" in repr(field.metadata) else "")
    return str(field.default) or "nothing"


def used_by(path: tuple[str, ...]) -> str:
    """The files that read what stands there, each with its first line."""
    stage, other = stage_of(path), by_table(path)
    files = [file for file in (stage, other if not stage.startswith(other) else "") if file]
    return "\n".join(f"  used by: {file}" for file in files)


def stage_of(path: tuple[str, ...]) -> str:
    if len(path) < 2 or path[0] != "gateway":
        return ""
    stage = next((each for each in STAGES if hasattr(each, "Config") and path[1] in keys(each.Config)), None)
    return "" if stage is None else f"{file_of(stage)}: {(stage.__doc__ or '').strip().splitlines()[0]}"


def file_of(module: ModuleType) -> str:
    return module.__name__.replace(".", "/") + ".py"


def by_table(path: tuple[str, ...]) -> str:
    for length in range(len(path), 0, -1):
        if found := USED_BY.get(".".join(path[:length])):
            return found
    return ""
