"""Which endpoint a path names, per dialect of provider. A table each; unknown paths are answered in the provider's own shape."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mockprovider.dialects import anthropic, openai_chat, openai_errors
from mockprovider.dialects.base import Dialect, Errors, Refusal


@dataclass(frozen=True)
class Route:
    """``answers`` is None for the two kinds of request that no model serves: a listing of models, a count of tokens."""

    method: str
    path: re.Pattern[str]
    answers: Dialect | None
    serves: str = "answer"  # answer | models | model | count


@dataclass(frozen=True)
class Family:
    """A provider's API: its routes, how it words errors, where it looks for the key, and how it names what is wrong with one."""

    routes: tuple[Route, ...]
    errors: Errors
    key_headers: tuple[str, ...]
    no_key: Refusal
    bad_key: Refusal
    unknown_model: Callable[[str], Refusal]
    list_models: Callable[[list[str]], dict[str, Any]]
    describe_model: Callable[[str], dict[str, Any]]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | Refusal:
        allowed = []
        for route in self.routes:
            match = route.path.fullmatch(path)
            if match:
                if route.method == method:
                    return route, match.groupdict()
                allowed.append(route.method)
        if allowed:
            return self.not_allowed(method, path)
        return self.not_found(method, path)

    def not_found(self, method: str, path: str) -> Refusal:
        return Refusal(404, f"Invalid URL ({clean(method)} {clean(path)})")

    def not_allowed(self, method: str, path: str) -> Refusal:
        return Refusal(405, f"Not allowed to {clean(method)} on {clean(path)}. (HINT: Perhaps you meant to use a different HTTP method?)")


def clean(text: str) -> str:
    """What a client sent, fit to stand in a message: printable and short."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def route(method: str, path: str, answers: Dialect | None, serves: str = "answer") -> Route:
    return Route(method, re.compile(path), answers, serves)


OPENAI = Family(
    (
        route("POST", "/v1/chat/completions", openai_chat.OpenAIChat()),
        route("GET", "/v1/models", None, "models"),
        route("GET", "/v1/models/(?P<model>[^/]+)", None, "model"),
    ),
    openai_errors.OpenAIErrors(),
    ("authorization",),
    Refusal(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY).",
    ),
    Refusal(
        401, "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.", "invalid_api_key"
    ),
    openai_errors.unknown_model,
    lambda models: {"object": "list", "data": [openai_chat.describe(model) for model in models]},
    openai_chat.describe,
)

ANTHROPIC = Family(
    (
        route("POST", "/v1/messages", anthropic.AnthropicMessages()),
        route("POST", "/v1/messages/count_tokens", anthropic.AnthropicCount(), "count"),
        route("GET", "/v1/models", None, "models"),
        route("GET", "/v1/models/(?P<model>[^/]+)", None, "model"),
    ),
    anthropic.AnthropicErrors(),
    ("x-api-key", "authorization"),
    Refusal(401, "x-api-key header is required"),
    Refusal(401, "invalid x-api-key"),
    lambda model: Refusal(404, f"model: {model}"),
    anthropic.list_models,
    anthropic.describe,
)

FAMILIES = {"openai": OPENAI, "anthropic": ANTHROPIC}
