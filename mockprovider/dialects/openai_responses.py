"""OpenAI responses (platform.openai.com/docs/api-reference/responses, .../responses-streaming)."""

from __future__ import annotations

from typing import Any

import orjson

from mockprovider.dialects.base import CREATED, Answer, Call, Refusal, Stream
from mockprovider.dialects.openai_chat import IMAGE_TOKENS, OpenAIChat
from mockprovider.dialects.openai_errors import misread
from mockprovider.dialects.reading import Fields
from mockprovider.dialects.tools import arguments, definition_tokens


class OpenAIResponses(OpenAIChat):
    """Typed events with sequence numbers, no ``[DONE]``."""

    def parse(self, body: dict[str, Any], place: dict[str, str]) -> Call:
        fields = Fields(body, misread)
        model = fields.string("model", required=True) or ""
        texts, last_user, images = self.read_input(fields)
        fields.number("temperature", 0, 2)
        tool, script = self.read_choice(fields)
        extra = images * IMAGE_TOKENS + definition_tokens(body.get("tools"))
        return Call(
            model, texts, last_user, fields.count("max_output_tokens", least=16), fields.flag("stream"), True, extra, tool,
            self.read_text_format(fields) if tool is None else script, {"instructions": body.get("instructions")},
        )  # fmt: skip

    def read_input(self, fields: Fields) -> tuple[list[str], int, int]:
        """-> (texts, index of the user's last one, parts that are not text)."""
        texts = [fields.string("instructions") or ""]
        given = fields.raw.get("input")
        if isinstance(given, str):
            return [*texts, given], 1, 0
        items, last_user, others = fields.objects("input", required=True), 0, 0
        if not items:
            raise Refusal(400, "Invalid 'input': empty array.", "empty_array", "input")
        for item in items:
            text, images = item.text("output" if item.raw.get("type") == "function_call_output" else "content")
            if item.raw.get("role") == "user":
                last_user = len(texts)
            texts.append(text)
            others += images
        return texts, last_user or len(texts) - 1, others

    def read_choice(self, fields: Fields) -> tuple[str | None, str | None]:
        tools = {tool.string("name"): tool.raw.get("parameters") for tool in fields.objects("tools") if tool.raw.get("type") == "function"}
        choice = fields.raw.get("tool_choice")
        wanted = next(iter(tools), None) if choice == "required" else choice.get("name") if isinstance(choice, dict) else None
        if wanted is None:
            return None, None
        if wanted not in tools:
            raise Refusal(400, f"Tool choice '{wanted}' not found in 'tools' parameter.", None, "tool_choice")
        return wanted, arguments(tools[wanted])

    def read_text_format(self, fields: Fields) -> str | None:
        text = fields.object("text")
        asked = text.object("format") if text is not None else None
        match asked and asked.raw.get("type"):
            case "json_schema":
                return arguments(asked.raw.get("schema") if asked else None)
            case "json_object":
                return '{"answer":"mock"}'
            case _:
                return None

    def usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {"cached_tokens": answer.cached_tokens},
            "output_tokens": answer.tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.input_tokens + answer.tokens,
        }

    def item(self, answer: Answer, status: str, text: str | None) -> dict[str, Any]:
        """The one output item: a message, or a function call; ``text`` None while there is none."""
        if answer.call.tool is not None:
            return {"id": answer.name("fc_", 4), "type": "function_call", "status": status, "call_id": answer.name("call_", 2),
                    "name": answer.call.tool, "arguments": text or ""}  # fmt: skip
        content = [] if text is None else [self.part(text)]
        return {"id": answer.name("msg_", 4), "type": "message", "status": status, "role": "assistant", "content": content}

    def part(self, text: str) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def response(self, answer: Answer, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        reason = {"incomplete": {"reason": "content_filter" if answer.filtered else "max_output_tokens"}}.get(status)
        failed = {"code": "server_error", "message": "The server had an error while processing your request."}
        over = status in ("completed", "incomplete")
        return {
            "id": answer.name("resp_"), "object": "response", "created_at": CREATED, "status": status, "background": False,
            "error": failed if status == "failed" else None, "incomplete_details": reason,
            "instructions": answer.call.options.get("instructions"), "max_output_tokens": answer.call.most_tokens, "metadata": {},
            "model": answer.call.model, "output": output, "parallel_tool_calls": True, "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None}, "service_tier": "default", "store": False, "temperature": 1.0,
            "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled",
            "usage": self.usage(answer) if over else None, "user": None,
        }  # fmt: skip

    def final_status(self, answer: Answer) -> str:
        return "incomplete" if answer.cut_at_limit or answer.filtered else "completed"

    def body(self, answer: Answer) -> bytes:
        status = self.final_status(answer)
        return orjson.dumps(self.response(answer, status, [self.item(answer, status, answer.text())]))

    def stream(self, answer: Answer) -> Stream:
        is_tool = answer.call.tool is not None
        kind = "response.function_call_arguments" if is_tool else "response.output_text"
        running = self.response(answer, "in_progress", [])
        where: dict[str, Any] = {"item_id": answer.name("fc_" if is_tool else "msg_", 4), "output_index": 0}
        if not is_tool:
            where["content_index"] = 0
        opening: list[tuple[str, dict[str, Any]]] = [
            ("response.created", {"response": running}),
            ("response.in_progress", {"response": running}),
            ("response.output_item.added", {"output_index": 0, "item": self.item(answer, "in_progress", None)}),
        ]
        text, status = answer.text(), self.final_status(answer)
        whole = self.item(answer, status, text)
        closing: list[tuple[str, dict[str, Any]]] = [(f"{kind}.done", {**where, ("arguments" if is_tool else "text"): text})]
        if not is_tool:
            opening.append(("response.content_part.added", {**where, "part": self.part("")}))
            closing[0][1]["logprobs"] = []
            closing.append(("response.content_part.done", {**where, "part": self.part(text)}))
        closing.append(("response.output_item.done", {"output_index": 0, "item": whole}))
        closing.append((f"response.{status}", {"response": self.response(answer, status, [whole])}))
        first = len(opening)
        extra: dict[str, Any] = {} if is_tool else {"logprobs": []}
        before, after = event(f"{kind}.delta", {**where, "delta": "\0", **extra}, "\1").split(b"\\u0000")
        middle, after = after.split(b'"\\u0001"')
        piece = answer.piece
        last = first + answer.tokens
        failed = event("response.failed", {"response": self.response(answer, "failed", [])}, last)
        return Stream(
            [event(name, data, number) for number, (name, data) in enumerate(opening)],
            lambda k: b"%b%b%b%d%b" % (before, piece(k), middle, first + k, after),
            [event(name, data, last + number) for number, (name, data) in enumerate(closing)],
            [failed],
        )


def event(name: str, data: dict[str, Any], sequence: int | str) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **data, "sequence_number": sequence}))
