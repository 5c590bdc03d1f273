"""Gemini generateContent and streamGenerateContent (ai.google.dev/api/generate-content), errors as google.rpc.Status."""

from __future__ import annotations

from typing import Any

import orjson

from mockprovider.dialects.base import Answer, Call, Headers, Refusal, Stream
from mockprovider.dialects.reading import Fields
from mockprovider.dialects.tools import arguments, definition_tokens

MEDIA_TOKENS = 258  # of an image tile
# HTTP status -> (google.rpc code, message)
FAILURES = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    405: ("NOT_FOUND", "Method not found."),
    408: ("DEADLINE_EXCEEDED", "The request timed out."),
    413: ("INVALID_ARGUMENT", "Request payload size exceeds the limit."),
    429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    500: (
        "INTERNAL",
        "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
    ),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}


def envelope(status: int, message: str, details: list[dict[str, Any]] | None = None) -> bytes:
    name = FAILURES.get(status, ("INTERNAL" if status >= 500 else "INVALID_ARGUMENT", ""))[0]
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if details:
        error["details"] = details
    return orjson.dumps({"error": error})


def misread(mistake: str, field: str, expected: str) -> Refusal:
    if mistake == "missing":
        return Refusal(400, f"* GenerateContentRequest.{field}: {field} is not specified\n")
    return Refusal(400, f"Invalid value at '{field}': {expected}")


class GeminiErrors:
    def refusal(self, refusal: Refusal, identity: int) -> tuple[Headers, bytes]:
        details = None
        if refusal.code:
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refusal.code, "domain": "googleapis.com"}]
        return [], envelope(refusal.status, refusal.message, details)

    def failure(self, status: int, retry_after_s: float | None, answer: Answer) -> tuple[Headers, bytes]:
        if status == 400 and answer.context:
            message = f"The input token count ({answer.input_tokens}) exceeds the maximum number of tokens allowed ({answer.context})."
            return [], envelope(400, message)
        details = None
        if retry_after_s is not None:
            details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after_s:.3f}s"}]
        return [], envelope(status, FAILURES.get(status, FAILURES[500])[1], details)


class Gemini:
    """``generateContent``; with ``streams`` its streaming twin, as server-sent events (``alt=sse``) or one JSON array."""

    def __init__(self, streams: bool) -> None:
        self.streams = streams

    def parse(self, body: dict[str, Any], place: dict[str, str]) -> Call:
        fields = Fields(body, misread)
        contents = fields.objects("contents", required=True)
        if not contents:
            raise misread("missing", "contents", "")
        system = fields.object("systemInstruction") or fields.object("system_instruction")
        texts, last_user, media = [system.text("parts")[0] if system else ""], len(contents), 0
        for i, content in enumerate(contents):
            text, others = content.text("parts", required=True)
            texts.append(text)
            media += others
            if content.raw.get("role", "user") == "user":
                last_user = i + 1
        settings = fields.object("generationConfig") or Fields({}, misread)
        settings.number("temperature", 0, 2)
        tool, script = self.read_tool(fields)
        if tool is None and settings.raw.get("responseMimeType") == "application/json":
            script = arguments(settings.raw.get("responseSchema") or settings.raw.get("responseJsonSchema"))
        extra = media * MEDIA_TOKENS + definition_tokens(body.get("tools"))
        options = {"sse": place.get("alt") == "sse"}
        return Call(place["model"], texts, last_user, settings.count("maxOutputTokens"), self.streams, True, extra, tool, script, options)

    def read_tool(self, fields: Fields) -> tuple[str | None, str | None]:
        """-> (the function that mode ANY makes the model call, its arguments)."""
        functions = {}
        for tool in fields.objects("tools"):
            for function in tool.objects("functionDeclarations"):
                functions[function.string("name", required=True)] = function.raw.get("parameters")
        config = fields.object("toolConfig")
        calling = config.object("functionCallingConfig") if config else None
        if calling is None or calling.raw.get("mode") != "ANY" or not functions:
            return None, None
        allowed = calling.raw.get("allowedFunctionNames")
        name = next((n for n in functions if not isinstance(allowed, list) or n in allowed), None)
        return (None, None) if name is None else (name, arguments(functions[name]))

    def headers(self, answer: Answer) -> Headers:
        return [("server-timing", f"gfet4t7; dur={answer.duration_s * 1e3:.0f}"), ("vary", "Origin, X-Origin, Referer")]

    def chunk(self, answer: Answer, part: dict[str, Any], tokens: int, finish: str | None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": 0}
        if finish is not None:
            candidate["finishReason"] = finish
        usage = {
            "promptTokenCount": answer.input_tokens,
            "candidatesTokenCount": tokens,
            "totalTokenCount": answer.input_tokens + tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
        }
        if answer.cached_tokens:
            usage["cachedContentTokenCount"] = answer.cached_tokens
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": answer.call.model, "responseId": answer.name("")}

    def finish(self, answer: Answer) -> str:
        return "SAFETY" if answer.filtered else "MAX_TOKENS" if answer.cut_at_limit else "STOP"

    def part(self, answer: Answer, text: str) -> dict[str, Any]:
        if answer.call.tool is None:
            return {"text": text}
        return {"functionCall": {"name": answer.call.tool, "args": orjson.loads(text)}}

    def body(self, answer: Answer) -> bytes:
        return orjson.dumps(self.chunk(answer, self.part(answer, answer.text()), answer.tokens, self.finish(answer)))

    def stream(self, answer: Answer) -> Stream:
        sse = answer.call.options["sse"]
        before, after = (b"data: ", b"\r\n\r\n") if sse else (b",\r\n", b"")
        last = orjson.dumps(self.chunk(answer, {"text": ""}, answer.tokens, self.finish(answer)))
        closing = [before + last + after] + ([] if sse else [b"]"])
        failure = [before + envelope(503, FAILURES[503][1]) + after]
        if answer.call.tool is not None:  # a function call comes in one piece
            whole = orjson.dumps(self.chunk(answer, self.part(answer, answer.text()), answer.tokens, None))
            pieces = [before + whole + after if sse else b"[" + whole]
            return Stream([], lambda k: pieces[k] if k < len(pieces) else b"", closing, failure, content_type(sse))
        head, tail = orjson.dumps(self.chunk(answer, {"text": "\0"}, 0, None)).split(b"\\u0000")
        tail, end = tail.replace(b'"candidatesTokenCount":0', b'"candidatesTokenCount":\0').split(b"\0")
        middle, end = end.split(b'"totalTokenCount":%d' % answer.input_tokens)
        piece, first = answer.piece, b"data: " if sse else b"["

        def frame(k: int) -> bytes:
            opening = before if k else first
            return b'%b%b%b%b%d%b"totalTokenCount":%d%b%b' % (
                opening, head, piece(k), tail, k + 1, middle, answer.input_tokens + k + 1, end, after,
            )  # fmt: skip

        return Stream([], frame, closing, failure, content_type(sse))


def content_type(sse: bool) -> str:
    return "text/event-stream" if sse else "application/json; charset=UTF-8"


def describe(model: str) -> dict[str, Any]:
    """One entry of ``/v1beta/models``."""
    methods = ["generateContent", "countTokens", "streamGenerateContent"]
    return {"name": f"models/{model}", "version": "001", "displayName": model, "supportedGenerationMethods": methods}
