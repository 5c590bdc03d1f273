"""Who answered: every call's target ``provider/model`` under a name that a scenario may have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.importing.calls import Calls

VENDORS = (("gpt", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"), ("chatgpt", "openai"), ("claude", "anthropic"),
           ("gemini", "google"), ("command", "cohere"), ("mistral", "mistral"), ("grok", "x-ai"))  # fmt: skip
DIALECTS = {"anthropic": "anthropic", "azure": "azure", "google": "gemini", "gemini": "gemini", "vertex_ai": "gemini"}
ALIASES = {"azure_openai": "azure", "azure.ai.openai": "azure", "az.ai.openai": "azure", "aws.bedrock": "bedrock", "gcp.gemini": "google"}
MOST_TARGETS = 24
STAND_IN = ("openai", "gpt-4o-mini")
"""For a log that names no model at all."""


@dataclass(frozen=True)
class Targets:
    """``of``: int32 per row, the target's number, -1 where the log does not say who answered."""

    names: tuple[tuple[str, str], ...]
    of: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def label(self, number: int) -> str:
        provider, model = self.names[number]
        return f"{provider}/{model}"

    @property
    def provider_of(self) -> np.ndarray:
        """Number of the provider of each target, in ``providers``."""
        return np.array([self.providers.index(provider) for provider, _ in self.names], np.int32)

    @property
    def providers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(provider for provider, _ in self.names))


def clean(text: str, fallback: str = "model") -> str:
    """A name as the language has them: letters, digits, dots and dashes."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:80]
    return re.sub(r"^[^A-Za-z0-9]+", "", name) or fallback


def target_of(model: str, provider: str) -> tuple[str, str]:
    """``("openai", "gpt-4o")`` from ``openai/gpt-4o``, or from a model and a provider, or from a model alone."""
    if not model and not provider:
        return STAND_IN
    head, slash, rest = model.partition("/")
    if not provider and slash and rest:
        provider, model = head, rest
    elif slash and head.lower() == provider.lower():
        model = rest
    if not provider:
        provider = next((vendor for prefix, vendor in VENDORS if model.lower().startswith(prefix)), "provider")
    provider = provider.lower().removesuffix(".openai") if provider.lower() == "azure.openai" else provider.lower()
    return clean(ALIASES.get(provider, provider), "provider").replace(":", "-"), clean(model)


def targets_of(
    calls: Calls, known: Sequence[tuple[str, str]] = (), renamed: Mapping[tuple[str, str], tuple[str, str]] | None = None
) -> Targets:
    """Targets by number of calls, at most MOST_TARGETS: the rest count to the largest of their provider."""
    models, providers = calls.texts["model"], calls.texts["provider"]
    width = len(calls.names["provider"]) + 1
    pairs, index, counts = np.unique(models.astype(np.int64) * width + providers, return_inverse=True, return_counts=True)
    labels: list[tuple[str, str] | None] = []
    for pair in pairs.tolist():
        provider = (pair + 1) % width - 1
        model = (pair - provider) // width
        nameless = model < 0 and (provider < 0 or bool(calls.names["model"]))
        labels.append(None if nameless and len(pairs) > 1 else target_of(calls.text("model", model), calls.text("provider", provider)))
    labels = [label if label is None or renamed is None else renamed.get(label, label) for label in labels]
    by_name: dict[tuple[str, str], int] = dict.fromkeys(known, 0)
    for label, count in zip(labels, counts.tolist(), strict=True):
        if label is not None:
            by_name[label] = by_name.get(label, 0) + count
    kept = sorted(by_name, key=lambda name: -by_name[name])[: max(MOST_TARGETS, len(known))]
    numbers = np.array([-1 if label is None else nearest(label, kept) for label in labels], np.int32)
    return Targets(tuple(kept), numbers[index].astype(np.int32))


def nearest(label: tuple[str, str], kept: list[tuple[str, str]]) -> int:
    if label in kept:
        return kept.index(label)
    return next((number for number, each in enumerate(kept) if each[0] == label[0]), 0)
