"""Azure OpenAI (learn.microsoft.com/azure/ai-services/openai/reference): OpenAI's bodies below a deployment's path, Azure's errors."""

from __future__ import annotations

from typing import Any

import orjson

from mockprovider.dialects.base import Answer, Call, Headers, Refusal, Stream
from mockprovider.dialects.openai_chat import OpenAIChat, sse
from mockprovider.dialects.openai_embeddings import OpenAIEmbeddings
from mockprovider.dialects.openai_errors import OpenAIErrors
from sim.stochastics.random_streams import mix

SAFE = {kind: {"filtered": False, "severity": "safe"} for kind in ("hate", "self_harm", "sexual", "violence")}
PROMPT_FILTER = [{"prompt_index": 0, "content_filter_results": SAFE}]


def envelope(code: str, message: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message}})


def azure_headers(answer: Answer) -> Headers:
    headers = [
        ("apim-request-id", request_id(answer.identity)),
        ("x-ms-region", "Mock"),
        ("x-request-id", request_id(answer.identity ^ 1)),
        ("x-ms-deployment-name", answer.call.model),
    ]
    for quota, of in ((answer.requests, "requests"), (answer.tokens_quota, "tokens")):
        if quota is not None:
            headers.append((f"x-ratelimit-limit-{of}", f"{quota.limit:.0f}"))
            headers.append((f"x-ratelimit-remaining-{of}", f"{max(0.0, quota.remaining):.0f}"))
    return headers


def request_id(identity: int) -> str:
    digits = f"{mix(identity):016x}{mix(identity ^ 7):016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class AzureErrors(OpenAIErrors):
    def refusal(self, refusal: Refusal, identity: int) -> tuple[Headers, bytes]:
        headers = [("apim-request-id", request_id(identity))]
        if refusal.status in (401, 404, 405):
            return headers, envelope(refusal.code or str(refusal.status), refusal.message)
        return headers, super().refusal(refusal, identity)[1]

    def failure(self, status: int, retry_after_s: float | None, answer: Answer) -> tuple[Headers, bytes]:
        headers = azure_headers(answer)
        if status != 429:
            return headers, super().failure(status, retry_after_s, answer)[1]
        wait_s = 1.0 if retry_after_s is None else retry_after_s
        whole_s = max(1, -int(-wait_s // 1))
        headers += [("retry-after", str(whole_s)), ("retry-after-ms", f"{max(1.0, wait_s * 1e3):.0f}")]
        message = (
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded call rate limit of your current "
            f"OpenAI S0 pricing tier. Please retry after {whole_s} second{'s' if whole_s > 1 else ''}. "
            "Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."
        )
        return headers, envelope("429", message)


class AzureChat(OpenAIChat):
    """Content filter results beside what OpenAI sends, and a first chunk of their own in streams."""

    def parse(self, body: dict[str, Any], place: dict[str, str]) -> Call:
        require_version(place)
        return super().parse(body, place)

    def headers(self, answer: Answer) -> Headers:
        return azure_headers(answer)

    def body(self, answer: Answer) -> bytes:
        whole = orjson.loads(super().body(answer))
        whole["prompt_filter_results"] = PROMPT_FILTER
        whole["choices"][0]["content_filter_results"] = SAFE
        return orjson.dumps(whole)

    def stream(self, answer: Answer) -> Stream:
        stream = super().stream(answer)
        blank = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": PROMPT_FILTER}
        stream.opening = [sse(blank), *stream.opening]
        return stream


class AzureEmbeddings(OpenAIEmbeddings):
    def parse(self, body: dict[str, Any], place: dict[str, str]) -> Call:
        require_version(place)
        return super().parse(body, place)

    def headers(self, answer: Answer) -> Headers:
        return azure_headers(answer)


def require_version(place: dict[str, str]) -> None:
    """Deployment paths need ``api-version``; any version will do. Raises Refusal."""
    if "deployment" in place and not place.get("api-version"):
        raise Refusal(404, "Resource not found")
