"""OpenAI's error bodies and headers (platform.openai.com/docs/guides/error-codes, .../guides/rate-limits)."""

from __future__ import annotations

import orjson

from mockprovider.dialects.base import Answer, Headers, Quota, Refusal
from sim.stochastics.random_streams import mix

SERVER_ERROR = "The server had an error while processing your request. Sorry about that!"
OVERLOADED = "The engine is currently overloaded, please try again later"


def identify(identity: int) -> tuple[str, str]:
    return "x-request-id", f"req_{mix(identity):016x}{mix(identity ^ 1):016x}"


def envelope(message: str, kind: str, param: str | None, code: str | None) -> bytes:
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


def misread(mistake: str, field: str, expected: str) -> Refusal:
    """The 400 of a field that is missing or wrong."""
    if mistake == "missing":
        return Refusal(400, f"Missing required parameter: '{field}'.", "missing_required_parameter", field)
    noun, code = ("type", "invalid_type") if mistake == "type" else ("value", "invalid_value")
    return Refusal(400, f"Invalid {noun} for '{field}': {expected}.", code, field)


def unknown_model(model: str) -> Refusal:
    return Refusal(404, f"The model `{model}` does not exist or you do not have access to it.", "model_not_found")


def spell_duration(seconds: float) -> str:
    """Resets as OpenAI writes them: ``12ms``, ``1s``, ``6m0s``."""
    if seconds < 1.0:
        return f"{max(0, round(seconds * 1e3))}ms"
    minutes, rest = divmod(seconds, 60.0)
    hours, minutes = divmod(int(minutes), 60)
    spelt = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{spelt}"
    return f"{minutes}m{spelt}" if minutes else spelt


def quota_headers(quota: Quota | None, of: str) -> Headers:
    if quota is None:
        return []
    return [
        (f"x-ratelimit-limit-{of}", f"{quota.limit:.0f}"),
        (f"x-ratelimit-remaining-{of}", f"{max(0.0, quota.remaining):.0f}"),
        (f"x-ratelimit-reset-{of}", spell_duration(quota.reset_s)),
    ]


def answer_headers(answer: Answer) -> Headers:
    return [
        identify(answer.identity),
        ("openai-organization", "tenfold-mock"),
        ("openai-processing-ms", f"{answer.duration_s * 1e3:.0f}"),
        ("openai-version", "2020-10-01"),
        *quota_headers(answer.requests, "requests"),
        *quota_headers(answer.tokens_quota, "tokens"),
    ]


class OpenAIErrors:
    def refusal(self, refusal: Refusal, identity: int) -> tuple[Headers, bytes]:
        kind = refusal.kind or "invalid_request_error"
        return [identify(identity)], envelope(refusal.message, kind, refusal.param, refusal.code)

    def failure(self, status: int, retry_after_s: float | None, answer: Answer) -> tuple[Headers, bytes]:
        headers = answer_headers(answer)
        if status == 429:
            if retry_after_s is not None:
                headers += [("retry-after-ms", f"{retry_after_s * 1e3:.0f}"), ("retry-after", f"{-int(-retry_after_s // 1)}")]
            return headers, self.rate_limited(answer, retry_after_s)
        if status == 400:
            total = answer.input_tokens
            message = (
                f"This model's maximum context length is {answer.context} tokens. However, your messages resulted in {total} tokens. "
                "Please reduce the length of the messages."
            )
            return headers, envelope(message, "invalid_request_error", "messages", "context_length_exceeded")
        if status == 503:
            return headers, envelope(OVERLOADED, "server_error", None, None)
        if status >= 500:
            return headers, envelope(SERVER_ERROR, "server_error", None, None)
        return headers, envelope(f"The request was refused with status {status}.", "invalid_request_error", None, None)

    def rate_limited(self, answer: Answer, retry_after_s: float | None) -> bytes:
        exhausted = answer.tokens_quota is not None and answer.tokens_quota.remaining < answer.input_tokens
        of, noun = ("tokens", "tokens per min (TPM)") if exhausted else ("requests", "requests per min (RPM)")
        quota = answer.tokens_quota if exhausted else answer.requests
        message = f"Rate limit reached for {answer.call.model} in organization tenfold-mock on {noun}"
        if quota is not None:
            used = max(0.0, quota.limit - quota.remaining)
            message += f": Limit {quota.limit:.0f}, Used {used:.0f}, Requested {answer.input_tokens if exhausted else 1}"
        if retry_after_s is not None:
            message += f". Please try again in {spell_duration(retry_after_s)}"
        message += ". Visit https://platform.openai.com/account/rate-limits to learn more."
        return envelope(message, of, None, "rate_limit_exceeded")
