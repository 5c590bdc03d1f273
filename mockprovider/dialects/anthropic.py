"""Anthropic messages (docs.anthropic.com/en/api/messages, .../messages-streaming, .../errors, .../rate-limits)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from mockprovider.dialects.base import CREATED, Answer, Call, Headers, Quota, Refusal, Stream
from mockprovider.dialects.reading import Fields
from mockprovider.dialects.tools import arguments, definition_tokens
from sim.stochastics.random_streams import mix

IMAGE_TOKENS = 1600  # docs: (width x height) / 750, at most about this
# status -> type (docs.anthropic.com/en/api/errors)
TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
    405: "invalid_request_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 503: "api_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
MESSAGES = {
    429: "This request would exceed your account's rate limit. Please try again later.", 500: "Internal server error",
    529: "Overloaded", 413: "Request exceeds the maximum size",
}  # fmt: skip


def request_id(identity: int) -> str:
    return f"req_{mix(identity):016x}{mix(identity ^ 1) >> 32:08x}"


def envelope(kind: str, message: str, identity: int) -> bytes:
    return orjson.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id(identity)})


def misread(mistake: str, field: str, expected: str) -> Refusal:
    place = field.replace("[", ".").replace("]", "")
    if mistake == "missing":
        return Refusal(400, f"{place}: Field required")
    noun = {"a string": "string", "an integer": "integer", "a boolean": "boolean", "an object": "dictionary"}
    for written, name in noun.items():
        if mistake == "type" and expected.startswith(f"expected {written},"):
            return Refusal(400, f"{place}: Input should be a valid {name}")
    if mistake == "type" and "array" in expected:
        return Refusal(400, f"{place}: Input should be a valid list")
    return Refusal(400, f"{place}: {expected}")


def quota_headers(quota: Quota | None, of: str, now: datetime) -> Headers:
    if quota is None:
        return []
    reset = (now + timedelta(seconds=min(quota.reset_s, 1e9))).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        (f"anthropic-ratelimit-{of}-limit", f"{quota.limit:.0f}"),
        (f"anthropic-ratelimit-{of}-remaining", f"{max(0.0, quota.remaining):.0f}"),
        (f"anthropic-ratelimit-{of}-reset", reset),
    ]


def answer_headers(answer: Answer) -> Headers:
    headers = [("request-id", request_id(answer.identity)), ("anthropic-organization-id", "tenfold-mock")]
    if answer.requests is None and answer.tokens_quota is None:
        return headers
    now = datetime.now(UTC)
    headers += quota_headers(answer.requests, "requests", now) + quota_headers(answer.tokens_quota, "tokens", now)
    headers += quota_headers(answer.input_quota, "input-tokens", now) + quota_headers(answer.output_quota, "output-tokens", now)
    return headers


class AnthropicErrors:
    def refusal(self, refusal: Refusal, identity: int) -> tuple[Headers, bytes]:
        kind = refusal.kind or TYPES.get(refusal.status, "invalid_request_error")
        return [("request-id", request_id(identity))], envelope(kind, refusal.message, identity)

    def failure(self, status: int, retry_after_s: float | None, answer: Answer) -> tuple[Headers, bytes]:
        headers = answer_headers(answer)
        if retry_after_s is not None:
            headers.append(("retry-after", f"{-int(-retry_after_s // 1)}"))
        if status == 429 or status >= 500:
            headers.append(("x-should-retry", "true"))
        if status == 400:
            message = f"prompt is too long: {answer.input_tokens} tokens > {answer.context} maximum"
            return headers, envelope("invalid_request_error", message, answer.identity)
        kind = TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return headers, envelope(kind, MESSAGES.get(status, "The request failed."), answer.identity)


class AnthropicMessages:
    def parse(self, body: dict[str, Any], place: dict[str, str]) -> Call:
        fields = Fields(body, misread)
        model = fields.string("model", required=True) or ""
        most = fields.count("max_tokens", required=True)
        stream = fields.flag("stream")
        fields.number("temperature", 0, 1)
        messages = fields.objects("messages", required=True)
        if not messages:
            raise Refusal(400, "messages: at least one message is required")
        system, _ = fields.text("system")
        texts, last_user, images = [system], len(messages), 0
        for i, message in enumerate(messages):
            role = message.string("role", required=True)
            if role not in ("user", "assistant"):
                raise Refusal(400, f"messages.{i}.role: Input should be 'user' or 'assistant'")
            text, others = message.text("content", required=True)
            texts.append(text)
            images += others
            if role == "user":
                last_user = i + 1
        tool, script = read_tool(fields)
        extra = images * IMAGE_TOKENS + definition_tokens(body.get("tools"))
        return Call(model, texts, last_user, most, stream, False, extra, tool, script)

    def headers(self, answer: Answer) -> Headers:
        return answer_headers(answer)

    def stop_reason(self, answer: Answer) -> str:
        if answer.filtered:
            return "refusal"
        if answer.cut_at_limit:
            return "max_tokens"
        return "tool_use" if answer.call.tool is not None else "end_turn"

    def usage(self, answer: Answer, output_tokens: int) -> dict[str, Any]:
        return {
            "input_tokens": answer.input_tokens - answer.cached_tokens - answer.written_tokens,
            "cache_creation_input_tokens": answer.written_tokens,
            "cache_read_input_tokens": answer.cached_tokens,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        }

    def message(self, answer: Answer, content: list[dict[str, Any]], stop: str | None, output_tokens: int) -> dict[str, Any]:
        return {
            "id": answer.name("msg_"), "type": "message", "role": "assistant", "model": answer.call.model, "content": content,
            "stop_reason": stop, "stop_sequence": None, "usage": self.usage(answer, output_tokens),
        }  # fmt: skip

    def block(self, answer: Answer, text: str, arguments: Any) -> dict[str, Any]:
        if answer.call.tool is None:
            return {"type": "text", "text": text}
        return {"type": "tool_use", "id": answer.name("toolu_", 2), "name": answer.call.tool, "input": arguments}

    def body(self, answer: Answer) -> bytes:
        text = answer.text()
        block = self.block(answer, text, None if answer.call.tool is None else orjson.loads(text))
        return orjson.dumps(self.message(answer, [block], self.stop_reason(answer), answer.tokens))

    def stream(self, answer: Answer) -> Stream:
        opening = [
            event("message_start", {"message": self.message(answer, [], None, 1)}),
            event("content_block_start", {"index": 0, "content_block": self.block(answer, "", {})}),
            event("ping", {}),
        ]
        if answer.call.tool is None:
            delta = {"type": "text_delta", "text": "\0"}
        else:
            delta = {"type": "input_json_delta", "partial_json": "\0"}
        before, after = event("content_block_delta", {"index": 0, "delta": delta}).split(b"\\u0000")
        last = {"stop_reason": self.stop_reason(answer), "stop_sequence": None}
        closing = [
            event("content_block_stop", {"index": 0}),
            event("message_delta", {"delta": last, "usage": {"output_tokens": answer.tokens}}),
            event("message_stop", {}),
        ]
        piece = answer.piece
        failure = [event("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})]
        return Stream(opening, lambda k: before + piece(k) + after, closing, failure)


class AnthropicCount(AnthropicMessages):
    """``/v1/messages/count_tokens``: answered from the text alone, at once."""

    def parse(self, body: dict[str, Any], place: dict[str, str]) -> Call:
        return super().parse({**body, "max_tokens": 1, "stream": False}, place)


def event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **data}))


def read_tool(fields: Fields) -> tuple[str | None, str | None]:
    """-> (the tool that tool_choice makes the model use, its input). A choice of ``auto`` is answered with text."""
    tools = {tool.string("name", required=True): tool.raw.get("input_schema") for tool in fields.objects("tools")}
    choice = fields.object("tool_choice")
    kind = choice.string("type", required=True) if choice is not None else "auto"
    if choice is None or kind in ("auto", "none"):
        return None, None
    wanted = next(iter(tools), None) if kind == "any" else choice.string("name", required=True)
    if wanted not in tools:
        raise Refusal(400, f"tool_choice: Tool '{wanted}' not found in provided tools")
    return wanted, arguments(tools[wanted])


def describe(model: str) -> dict[str, Any]:
    """One entry of ``/v1/models``."""
    created = datetime.fromtimestamp(CREATED, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": model, "display_name": model, "created_at": created}


def list_models(models: list[str]) -> dict[str, Any]:
    data = [describe(model) for model in models]
    return {"data": data, "has_more": False, "first_id": models[0] if models else None, "last_id": models[-1] if models else None}
