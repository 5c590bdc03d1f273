"""Finding a place of the language by its path: ``gateway.retry.backoff``, ``workload.requests.faq.tokens``, ``providers.openai.keys``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.scenario.distributions import Law
from sim.scenario.errors import did_you_mean
from sim.scenario.places import branches, is_model, kinds
from sim.scenario.words import our_word

STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")
MOST_DEPTH = 8


class Place(NamedTuple):
    """``field`` of ``owner``; both None for a kind and for an entry of a list or a mapping, which is * in ``path``."""

    path: tuple[str, ...]
    owner: type[BaseModel] | None
    field: FieldInfo | None
    types: list[Any]


class UnknownPlace(LookupError):
    """The language has no such place; the message says which step, and what was perhaps meant."""


def find(language: type[BaseModel], text: str) -> list[Place]:
    """The places at a path: several where more than one kind has the key. A step may be a kind (``workload.arrivals.poisson``); the number
    of an entry may be left out. Raises UnknownPlace.
    """
    steps = [step.strip("[]\"' ") or "*" for step in STEP.findall(text)]
    search = Search(steps)
    if found := search.places(Place((), None, None, [language]), 0):
        return found
    raise UnknownPlace(search.failure(language))


class Search:
    """``deepest``: how many steps were understood, and where that led."""

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps
        self.deepest = 0
        self.there: list[Place] = []

    def places(self, place: Place, depth: int) -> list[Place]:
        if depth > self.deepest:
            self.deepest, self.there = depth, []
        if depth == self.deepest:
            self.there.append(place)
        if depth == len(self.steps):
            return [place]
        return [found for each in place.types for found in self.inside(place, each, depth)]

    def inside(self, place: Place, each: Any, depth: int) -> list[Place]:
        if is_model(each):
            return self.in_model(place, each, depth)
        if get_origin(each) is tuple:
            entry = Place((*place.path, "*"), None, None, branches(get_args(each)[0]))
            numbered = self.steps[depth] == "*" or self.steps[depth].isdecimal()
            named = any(is_model(item) and "name" in item.model_fields for item in entry.types)
            if numbered:
                return self.places(entry, depth + 1)
            return self.places(entry, depth) or (self.places(entry, depth + 1) if named else [])
        if get_origin(each) is dict:
            return self.in_names(place, get_args(each)[1], depth)
        return []

    def in_model(self, place: Place, model: type[BaseModel], depth: int) -> list[Place]:
        step = self.steps[depth]
        for name, field in model.model_fields.items():
            if step in (name, field.alias):
                return self.places(Place((*place.path, field.alias or name), model, field, branches(field.annotation)), depth + 1)
        if step in kinds(model):
            return self.places(Place((*place.path, step), None, None, [model]), depth + 1)
        siblings = {key for each in place.types if is_model(each) for key in (*each.model_fields, *kinds(each))}
        free = getattr(model, "FREE_KEYS", "")
        if free and step not in siblings:
            field = model.model_fields[free]
            held = branches(get_args(branches(field.annotation)[0])[1])
            return self.places(Place((*place.path, "*"), model, field, held), depth + 1)
        return []

    def in_names(self, place: Place, held: Any, depth: int) -> list[Place]:
        """Past a name that the author chose; one such as gpt-4.1 is two steps."""
        name = Place((*place.path, "*"), None, None, branches(held))
        split = depth + 1 < len(self.steps) and self.steps[depth + 1][:1].isdecimal()
        return self.places(name, depth + (2 if split else 1))

    def failure(self, language: type[BaseModel]) -> str:
        step = self.steps[min(self.deepest, len(self.steps) - 1)]
        known = sorted({key for place in self.there for each in place.types for key in keys(each)})
        where = ".".join(self.there[0].path) if self.there and self.there[0].path else "a scenario"
        ends = [path for path in all_paths(language) if path.rpartition(".")[2] == step][:4]
        hint = our_word(step, known) or did_you_mean(step, known)
        if not hint and ends:
            hint = f"did you mean {' or '.join(ends)}?"
        return f"{where} has no {step!r}; {hint or ('it has ' + ', '.join(known) if known else 'nothing stands below it')}"


def keys(each: Any) -> list[str]:
    """What may follow in a path: the keys of a model, its kinds, those of a list's entries."""
    if get_origin(each) is tuple:
        return [key for inner in branches(get_args(each)[0]) for key in keys(inner)]
    if not is_model(each):
        return []
    return [*(field.alias or name for name, field in each.model_fields.items()), *map(str, kinds(each))]


def all_paths(language: type[BaseModel]) -> Iterator[str]:
    """Every path of the language but those inside distributions, with * for entries."""

    def walk(path: str, each: Any, depth: int) -> Iterator[str]:
        if is_model(each) and not issubclass(each, Law) and depth < MOST_DEPTH:
            for name, field in each.model_fields.items():
                here = f"{path}.{field.alias or name}".lstrip(".")
                yield here
                for inner in branches(field.annotation):
                    yield from walk(here, inner, depth + 1)
        elif get_origin(each) in (tuple, dict):
            for inner in branches(get_args(each)[0 if get_origin(each) is tuple else 1]):
                yield from walk(f"{path}.*", inner, depth + 1)

    yield from dict.fromkeys(walk("", language, 0))
