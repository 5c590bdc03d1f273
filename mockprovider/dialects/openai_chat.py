"""OpenAI chat completions (platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

from typing import Any

import orjson

from mockprovider.dialects.base import CREATED, Answer, Call, Headers, Refusal, Stream
from mockprovider.dialects.openai_errors import answer_headers, misread
from mockprovider.dialects.reading import Fields
from mockprovider.dialects.tools import arguments, definition_tokens

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
IMAGE_TOKENS = 85  # of a low-detail image


def sse(data: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(data)


def read_messages(fields: Fields, name: str, roles: tuple[str, ...] = ROLES) -> tuple[list[str], int, int]:
    """-> (texts, index of the user's last one, tokens of what is not text)."""
    messages = fields.objects(name, required=True)
    if not messages:
        raise Refusal(400, f"Invalid '{name}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
                      "empty_array", name)  # fmt: skip
    texts, last_user, others = [], len(messages) - 1, 0
    for i, message in enumerate(messages):
        role = message.string("role", required=True)
        if role not in roles:
            expected = ", ".join(f"'{known}'" for known in roles)
            raise Refusal(400, f"Invalid value: '{role}'. Supported values are: {expected}.", "invalid_value", f"{name}[{i}].role")
        text, images = message.text("content", required=role not in ("assistant", "function"))
        texts.append(text)
        others += images
        if role == "user":
            last_user = i
    return texts, last_user, others * IMAGE_TOKENS


def read_tool(fields: Fields) -> tuple[str | None, str | None]:
    """-> (the function that tool_choice makes the model call, its arguments). A choice of ``auto`` is answered with text."""
    tools = {}
    for tool in fields.objects("tools"):
        function = tool.object("function", required=True)
        if function is not None:
            tools[function.string("name", required=True)] = function.raw.get("parameters")
    choice = fields.raw.get("tool_choice")
    wanted: Any = None
    if choice == "required":
        wanted = next(iter(tools), None)
    elif isinstance(choice, dict):
        named = choice.get("function")
        wanted = named.get("name") if isinstance(named, dict) else choice.get("name")
    if wanted is None:
        return None, None
    if wanted not in tools:
        raise Refusal(400, f"Tool choice '{wanted}' not found in 'tools' parameter.", None, "tool_choice")
    return wanted, arguments(tools[wanted])


def read_format(fields: Fields) -> str | None:
    """The text that ``response_format`` asks for, or None for prose."""
    asked = fields.object("response_format")
    match asked and asked.string("type", required=True):
        case "json_schema":
            schema = asked.object("json_schema", required=True) if asked else None
            return arguments(schema.raw.get("schema") if schema else None)
        case "json_object":
            return '{"answer":"mock"}'
        case _:
            return None


class OpenAIChat:
    def parse(self, body: dict[str, Any], place: dict[str, str]) -> Call:
        fields = Fields(body, misread)
        model = place.get("deployment") or fields.string("model", required=True) or ""
        texts, last_user, extra = read_messages(fields, "messages")
        most = fields.count("max_completion_tokens") or fields.count("max_tokens")
        fields.number("temperature", 0, 2)
        fields.number("top_p", 0, 1)
        if (fields.count("n") or 1) > 1:
            raise Refusal(400, "This mock answers with one choice: 'n' must be 1.", "unsupported_value", "n")
        stream = fields.flag("stream")
        options = fields.object("stream_options")
        if options is not None and not stream:
            raise Refusal(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", None, "stream_options")
        tool, script = read_tool(fields)
        return Call(
            model, texts, last_user, most, stream, options is not None and options.flag("include_usage"),
            extra + definition_tokens(body.get("tools")), tool, read_format(fields) if tool is None else script,
        )  # fmt: skip

    def headers(self, answer: Answer) -> Headers:
        return answer_headers(answer)

    def usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "prompt_tokens": answer.input_tokens,
            "completion_tokens": answer.tokens,
            "total_tokens": answer.input_tokens + answer.tokens,
            "prompt_tokens_details": {"cached_tokens": answer.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        }  # fmt: skip

    def finish_reason(self, answer: Answer) -> str:
        if answer.filtered:
            return "content_filter"
        if answer.cut_at_limit:
            return "length"
        return "tool_calls" if answer.call.tool is not None else "stop"

    def frame_of(self, answer: Answer, kind: str) -> dict[str, Any]:
        return {
            "id": answer.name("chatcmpl-"),
            "object": kind,
            "created": CREATED,
            "model": answer.call.model,
            "service_tier": "default",
            "system_fingerprint": "fp_tenfold",
        }

    def body(self, answer: Answer) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
        if answer.call.tool is None:
            message["content"] = answer.text()
        else:
            message["tool_calls"] = [self.tool_call(answer, answer.text())]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason(answer)}
        return orjson.dumps({**self.frame_of(answer, "chat.completion"), "choices": [choice], "usage": self.usage(answer)})

    def tool_call(self, answer: Answer, text: str) -> dict[str, Any]:
        return {"id": answer.name("call_", 2), "type": "function", "function": {"name": answer.call.tool, "arguments": text}}

    def stream(self, answer: Answer) -> Stream:
        base = self.frame_of(answer, "chat.completion.chunk")
        usage: dict[str, Any] = {"usage": None} if answer.call.include_usage else {}

        def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
            return sse({**base, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}], **usage})

        first: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        if answer.call.tool is None:
            before, after = event({"content": "\0"}).split(b"\\u0000")
        else:
            first = {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **self.tool_call(answer, "")}]}
            before, after = event({"tool_calls": [{"index": 0, "function": {"arguments": "\0"}}]}).split(b"\\u0000")
        piece = answer.piece
        closing = [event({}, self.finish_reason(answer))]
        if answer.call.include_usage:
            closing.append(sse({**base, "choices": [], "usage": self.usage(answer)}))
        closing.append(b"data: [DONE]\n\n")
        failure = [sse({"error": {"message": "The server had an error while processing your request", "type": "server_error",
                                  "param": None, "code": None}})]  # fmt: skip
        return Stream([event(first)], lambda k: before + piece(k) + after, closing, failure)


def describe(model: str) -> dict[str, Any]:
    """One entry of ``/v1/models``."""
    return {"id": model, "object": "model", "created": CREATED, "owned_by": "tenfold-mock"}
