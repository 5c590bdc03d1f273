"""OpenAI embeddings (platform.openai.com/docs/api-reference/embeddings). Equal texts have equal vectors; others are nearly orthogonal."""

from __future__ import annotations

import base64
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson

from mockprovider.dialects.base import Answer, Call, Headers, Refusal, Stream
from mockprovider.dialects.openai_errors import answer_headers, misread
from mockprovider.dialects.reading import Fields

MOST_INPUTS = 2048
MOST_DIMENSIONS = 4096
DIMENSIONS = {"text-embedding-3-large": 3072}
POOL = 1 << 17


class OpenAIEmbeddings:
    """An answer of one token, whose first token is its last."""

    def parse(self, body: dict[str, Any], place: dict[str, str]) -> Call:
        fields = Fields(body, misread)
        model = place.get("deployment") or fields.string("model", required=True) or ""
        texts = read_inputs(body.get("input"))
        dimensions = fields.count("dimensions") or DIMENSIONS.get(model, 1536)
        if dimensions > MOST_DIMENSIONS:
            raise Refusal(400, f"Invalid value for 'dimensions': expected at most {MOST_DIMENSIONS}.", "invalid_value", "dimensions")
        shape = fields.string("encoding_format") or "float"
        if shape not in ("float", "base64"):
            raise Refusal(400, "Invalid value for 'encoding_format': expected 'float' or 'base64'.", "invalid_value", "encoding_format")
        places = [int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") for text in texts]
        return Call(model, texts, len(texts) - 1, 1, options={"places": places, "dimensions": dimensions, "shape": shape})

    def headers(self, answer: Answer) -> Headers:
        return answer_headers(answer)

    def body(self, answer: Answer) -> bytes:
        options = answer.call.options
        data = []
        for index, place in enumerate(options["places"]):
            vector = unit_vector(place, options["dimensions"])
            embedding: Any = vector if options["shape"] == "float" else base64.b64encode(vector.tobytes()).decode()
            data.append({"object": "embedding", "index": index, "embedding": embedding})
        usage = {"prompt_tokens": answer.input_tokens, "total_tokens": answer.input_tokens}
        whole = {"object": "list", "data": data, "model": answer.call.model, "usage": usage}
        return orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY)

    def stream(self, answer: Answer) -> Stream:
        raise AssertionError("embeddings are never streamed")


def read_inputs(given: Any) -> list[str]:
    """Texts; token arrays count as the text that spells them. Raises Refusal."""
    if isinstance(given, str):
        inputs: list[Any] = [given]
    elif isinstance(given, list):
        inputs = [given] if given and all(type(token) is int for token in given) else given
    elif given is None:
        raise misread("missing", "input", "a string or an array")
    else:
        raise misread("type", "input", "expected a string or an array, but got something else instead")
    if not inputs or len(inputs) > MOST_INPUTS:
        raise Refusal(400, f"'$.input' is invalid: expected 1 to {MOST_INPUTS} inputs, but got {len(inputs)}.", None, "input")
    texts = []
    for text in inputs:
        if isinstance(text, list) and text and all(type(token) is int for token in text):
            text = "".join(f"{token % 10000:4d}" for token in text)
        if not isinstance(text, str) or not text:
            raise Refusal(400, "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.",
                          None, "input")  # fmt: skip
        texts.append(text)
    return texts


@lru_cache(maxsize=1)
def pool() -> np.ndarray:
    return np.random.Generator(np.random.PCG64(1)).standard_normal(POOL + MOST_DIMENSIONS, np.float32)


def unit_vector(place: int, dimensions: int) -> np.ndarray:
    start = place % POOL
    sign = 1.0 if (place >> 32) % 2 else -1.0
    vector = pool()[start : start + dimensions] * np.float32(sign)
    return vector / np.float32(np.linalg.norm(vector))
