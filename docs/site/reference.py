"""The reference pages, each written from the code that it describes, whenever the site is built: ``PAGES``, name -> Markdown."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, get_args, get_origin

import click
from pydantic import BaseModel

from loadtest.cli import exit_codes
from loadtest.cli.main import VERBS, tenfold
from sim.data.outcomes import KINDS
from sim.data.schema import ATTEMPT_COLUMNS, TIMELINE
from sim.gateway.chain import STAGES, name_of
from sim.gateway.explain import default_of, form, said_of
from sim.gateway.language import Scenario, limit_names
from sim.gateway.rows import REQUEST_COLUMNS
from sim.results import format_1, store
from sim.results.results import FORMAT
from sim.scenario.budgets import FAMILIES, SHORT
from sim.scenario.distributions import Law
from sim.scenario.metric_names import METRIC_NAMES
from sim.scenario.places import branches, is_model, kinds


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


# ---- the language -----------------------------------------------------------------------------------------------------
def language() -> str:
    """Every key of a scenario, in the order of the models."""
    parts = [
        "# The scenario language",
        "One file drives the model, the mock providers, the gateway, the load, the faults and the budgets. `*` stands for an entry of a "
        "list, or for a name of yours. `tenfold explain PATH` prints the same for one place; `tenfold schema` prints the JSON Schema.",
        "Durations carry their unit (`250ms 10s 5m 2h`), and so do rates (`4/s 60/min`). Shares are `0.7` or `70%`, money is in USD, and "
        "times in results are seconds. A plain value may stand where a distribution may (`input: 400`), one item where a list may, and the "
        "word alone where a mapping has a `kind` and nothing else to say (`sessions: redis`).",
        *sections(Scenario, "", set()),
        "## Distributions",
        "Wherever the form says *a distribution*.",
        *(of_model(law, f"kind: {', '.join(map(str, kinds(law)))}", "### ") for law in laws(Scenario)),
    ]
    return "\n\n".join(parts) + "\n"


def sections(model: type[BaseModel], path: str, seen: set[type[BaseModel]]) -> Iterator[str]:
    """One section for a model and one for each below it. What may stand in several places is told at the first."""
    seen.add(model)
    yield of_model(model, path or "The top level", "## " if path.count(".") < 1 else "### ")
    for key, inner, step in below(model):
        if inner not in seen and not issubclass(inner, Law):
            yield from sections(inner, f"{path}.{key}{step}".lstrip("."), seen)


def of_model(model: type[BaseModel], title: str, level: str) -> str:
    kind = f", kind {', '.join(map(str, kinds(model)))}" if kinds(model) and not issubclass(model, Law) else ""
    rows = [
        (code(field.alias or name), what(field), "required" if field.is_required() else code(default_of(field)), described(field, model))
        for name, field in model.model_fields.items()
        if name != "kind" or len(kinds(model)) > 1 or len(model.model_fields) == 1
    ]
    heading = f"{level}{title}{kind}" if title == "The top level" or title.startswith("kind:") else f"{level}`{title}`{kind}"
    return "\n\n".join([heading, said_of(model), table(("key", "form", "default", "meaning"), rows)])


def what(field: Any) -> str:
    return form(Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation)


def described(field: Any, model: type[BaseModel]) -> str:
    return (field.description or said_of(model)).partition("; default:")[0]


def below(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel], str]]:
    """The models that stand right below one: key, model, and ``.*`` where entries come between."""
    for name, field in model.model_fields.items():
        for each, step in models_in(field.annotation, ""):
            yield field.alias or name, each, step


def models_in(annotation: Any, step: str) -> Iterator[tuple[type[BaseModel], str]]:
    for each in branches(annotation):
        if is_model(each):
            yield each, step
        elif get_origin(each) in (tuple, dict):
            yield from models_in(get_args(each)[0 if get_origin(each) is tuple else 1], f"{step}.*")


def laws(model: type[BaseModel]) -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {}
    seen: set[type[BaseModel]] = set()

    def walk(each: type[BaseModel]) -> None:
        if each in seen:
            return
        seen.add(each)
        if issubclass(each, Law):
            found[each] = None
        for _, inner, _ in below(each):
            walk(inner)

    walk(model)
    return list(found)


# ---- the command line -------------------------------------------------------------------------------------------------
def verbs() -> str:
    parts = ["# Verbs", "Results go to stdout, progress to stderr; `--json` prints one JSON document and nothing else."]
    context = click.Context(tenfold, info_name="tenfold")
    for verb in VERBS:
        command = tenfold.get_command(context, verb)
        assert command is not None
        own = click.Context(command, info_name=verb, parent=context)
        rows = [
            (code(", ".join(option.opts) + value_of(option, own)), told(option, own))
            for option in command.params
            if option.param_type_name == "option"
        ]
        examples = [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  ")]
        parts += [
            f"## {verb}",
            inspect.cleandoc(command.help or "").replace("\b\n", ""),
            f"```\ntenfold {verb} {' '.join(command.collect_usage_pieces(own))}\n```",
            table(("option", "meaning"), rows) if rows else "",
            "```\n" + "\n".join(examples) + "\n```" if examples else "",
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def value_of(option: Any, context: click.Context) -> str:
    return "" if option.is_flag else f" {option.make_metavar(context)}"


def told(option: Any, context: click.Context) -> str:
    record = option.get_help_record(context)
    return " ".join(record[1].split()) if record else ""


def exits() -> str:
    """The constants of ``exit_codes`` with the strings below them."""
    body = ast.parse(inspect.getsource(exit_codes)).body
    remarks = {
        before.targets[0].id: after.value.value
        for before, after in itertools.pairwise(body)
        if isinstance(before, ast.Assign) and isinstance(before.targets[0], ast.Name)
        and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }  # fmt: skip
    codes = {name: value for name, value in vars(exit_codes).items() if name.isupper()}
    rows = [(str(value), name.lower(), remarks.get(name, "It is as it should be.")) for name, value in codes.items()]
    return "# Exit codes\n\n" + table(("code", "name", "meaning"), rows) + "\n"


# ---- results ----------------------------------------------------------------------------------------------------------
def metrics() -> str:
    """Names, units and meanings of every figure, and how a budget may call it."""
    short = {full: name for name, full in SHORT.items()}
    families = {full: name for name, full in FAMILIES.items()}
    rows = [(code(name), code(called(name, short, families)), each.unit, each.better, each.says) for name, each in METRIC_NAMES.items()]
    return "\n\n".join([
        "# Metrics",
        "Every figure of a run: its path in `summary.json`, its name in a budget, and which direction is better. A budget is a name, a "
        "comparison, a quantity with its unit, and perhaps a phase: `latency.p99 < 8s`, `availability > 99.5%`, "
        "`error_rate < 5% @during:outage`. Latencies are those of answered requests, from the intended send time.",
        table(("figure", "in a budget", "unit", "better", "meaning"), rows),
    ]) + "\n"  # fmt: skip


def called(name: str, short: dict[str, str], families: dict[str, str]) -> str:
    family, _, figure = name.partition(".")
    return short.get(name) or (f"{families[family]}.{figure}" if family in families else name)


def outcomes() -> str:
    rows = [(str(kind.code), code(kind.name), yes(kind.available), yes(kind.served), kind.meaning) for kind in KINDS]
    return "\n\n".join([
        "# Outcomes",
        "Each request ends in one of these. *Available* counts fresh answers; *served* counts stale and prepared ones too.",
        table(("code", "outcome", "available", "served", "meaning"), rows),
        "## What may refuse a request or an attempt",
        "`refused_by` names the limit or the fault that said no, where it happened. The codes in the rows are named in `manifest.json`.",
        "\n".join(f"- {name}" for name in limit_names()),
    ]) + "\n"  # fmt: skip


def yes(flag: bool) -> str:
    return "yes" if flag else "no"


def run_directory() -> str:
    """The files, and the columns of their tables."""
    intro = (store.__doc__ or "").partition("\n\n")
    return "\n\n".join([
        "# Run directory",
        f"{intro[0]} This is result format {FORMAT}; format {format_1.FORMAT} is read, too. It is written under a temporary name and "
        "renamed when whole: a killed run leaves no half result.",
        f"```\n{intro[2].strip()}\n```",
        "## requests.parquet", "One row for each request. Times are seconds.", columns(REQUEST_COLUMNS),
        "## attempts.parquet", "One row for each attempt at a provider.", columns(ATTEMPT_COLUMNS),
        "## timeline.parquet", "Samples of the gateway's state.",
        columns({name: (str(TIMELINE[name].str[1:]), "") for name in TIMELINE.names or ()}),
        "## JSON documents",
        "`predict --json` prints what `summary.json` holds, `verify --json` what it holds under `verify`. Both carry `schema_version`. An "
        'estimate is `{"value": x, "low": x, "high": x}`, a 95 % interval; bounds are null where it cannot be had.',
    ]) + "\n"  # fmt: skip


def columns(known: dict[str, tuple[str, str]]) -> str:
    return table(("column", "type", "meaning"), [(code(name), dtype, says) for name, (dtype, says) in known.items()])


def stages() -> str:
    """The policies of the chain, in its order."""
    rows = []
    for stage in STAGES:
        keys = ", ".join(code(f"gateway.{field}") for field in getattr(stage, "Config", BaseModel).model_fields)
        rows.append((code(name_of(stage)), keys or "", " ".join((stage.__doc__ or "").split("\n\n")[0].split())))
    return "# Policies\n\nThe stages of the gateway, in the order in which a call passes them.\n\n" + table(
        ("stage", "its keys", "what it does"), rows
    ) + "\n"  # fmt: skip


PAGES: dict[str, Callable[[], str]] = {
    "language": language,
    "policies": stages,
    "verbs": verbs,
    "metrics": metrics,
    "outcomes": outcomes,
    "exit-codes": exits,
    "run-directory": run_directory,
}
