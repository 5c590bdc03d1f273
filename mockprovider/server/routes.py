"""Which endpoint a path names, per dialect of provider: a table each. Unknown paths are answered in the provider's own shape."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mockprovider.dialects import anthropic, azure, gemini, openai_chat, openai_errors
from mockprovider.dialects.base import Dialect, Errors, Refusal
from mockprovider.dialects.openai_embeddings import OpenAIEmbeddings
from mockprovider.dialects.openai_responses import OpenAIResponses


@dataclass(frozen=True)
class Route:
    """``answers`` is None for what no model serves. ``serves``: an answer, the list of models, one model, a count of tokens."""

    method: str
    path: re.Pattern[str]
    answers: Dialect | None
    serves: str = "answer"


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
    key_query: str | None = None

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | Refusal:
        known = False
        for route in self.routes:
            match = route.path.fullmatch(path)
            if match:
                known = True
                if route.method == method:
                    return route, match.groupdict()
        if known:
            hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
            return Refusal(405, f"Not allowed to {clean(method)} on {clean(path)}. {hint}")
        return Refusal(404, f"Invalid URL ({clean(method)} {clean(path)})")


def clean(text: str) -> str:
    """What a client sent, fit to stand in a message: printable and short."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def post(path: str, answers: Dialect, serves: str = "answer") -> Route:
    return Route("POST", re.compile(path), answers, serves)


def models(path: str) -> tuple[Route, Route]:
    return Route("GET", re.compile(path), None, "models"), Route("GET", re.compile(path + "/(?P<model>[^/]+)"), None, "model")


OPENAI = Family(
    (
        post("/v1/chat/completions", openai_chat.OpenAIChat()),
        post("/v1/responses", OpenAIResponses()),
        post("/v1/embeddings", OpenAIEmbeddings()),
        *models("/v1/models"),
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
    lambda names: {"object": "list", "data": [openai_chat.describe(name) for name in names]},
    openai_chat.describe,
)

ANTHROPIC = Family(
    (
        post("/v1/messages", anthropic.AnthropicMessages()),
        post("/v1/messages/count_tokens", anthropic.AnthropicCount(), "count"),
        *models("/v1/models"),
    ),
    anthropic.AnthropicErrors(),
    ("x-api-key", "authorization"),
    Refusal(401, "x-api-key header is required"),
    Refusal(401, "invalid x-api-key"),
    lambda model: Refusal(404, f"model: {model}"),
    anthropic.list_models,
    anthropic.describe,
)

DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription "
    "and use a correct regional API endpoint for your resource."
)
DEPLOYMENT = "/openai/deployments/(?P<deployment>[^/]+)"
AZURE = Family(
    (
        post(f"{DEPLOYMENT}/chat/completions", azure.AzureChat()),
        post(f"{DEPLOYMENT}/embeddings", azure.AzureEmbeddings()),
        post("/openai/v1/chat/completions", azure.AzureChat()),
        post("/openai/v1/embeddings", azure.AzureEmbeddings()),
        *models("/openai(?:/v1)?/models"),
    ),
    azure.AzureErrors(),
    ("api-key", "authorization"),
    Refusal(401, DENIED, "401"),
    Refusal(401, DENIED, "401"),
    lambda model: Refusal(
        404,
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a "
        "moment and try again.",
        "DeploymentNotFound",
    ),
    OPENAI.list_models,
    openai_chat.describe,
)

GEMINI = Family(
    (
        post("/v1(?:beta)?/models/(?P<model>[^/:]+):generateContent", gemini.Gemini(streams=False)),
        post("/v1(?:beta)?/models/(?P<model>[^/:]+):streamGenerateContent", gemini.Gemini(streams=True)),
        *models("/v1(?:beta)?/models"),
    ),
    gemini.GeminiErrors(),
    ("x-goog-api-key",),
    Refusal(403, "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of "
            "API consumer identity to call this API."),
    Refusal(400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
    lambda model: Refusal(
        404, f"models/{model} is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the "
        "list of available models and their supported methods."
    ),
    lambda names: {"models": [gemini.describe(name) for name in names]},
    gemini.describe,
    key_query="key",
)  # fmt: skip

FAMILIES = {"openai": OPENAI, "anthropic": ANTHROPIC, "azure": AZURE, "gemini": GEMINI}
