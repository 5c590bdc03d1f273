"""Calls with OpenAI's SDK under OpenTelemetry's instrumentation, spans as JSON lines: run by the interpreter of an environment of its own.

python otel_client.py URL MODEL SPANS CALLS RATE
"""

import asyncio
import random
import sys

from openai import AsyncOpenAI, OpenAIError
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

WORDS = [
    "how",
    "what",
    "when",
    "route",
    "price",
    "limit",
    "token",
    "queue",
    "cache",
    "answer",
    "model",
    "gateway",
    "provider",
    "retry",
    "bill",
]


async def call(client: AsyncOpenAI, model: str, number: int, words: int) -> bool:
    text = f"question {number}: " + " ".join(WORDS[(number + place) % len(WORDS)] for place in range(words))
    try:
        answer = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": text}], stream=True, stream_options={"include_usage": True}
        )
        async for _ in answer:
            pass
    except OpenAIError:
        return False  # the span says so
    return True


async def main(url: str, model: str, spans: str, calls: int, rate: float) -> None:
    luck = random.Random(7)
    with open(spans, "w") as out:  # noqa: PTH123
        provider = TracerProvider()
        provider.add_span_processor(
            BatchSpanProcessor(ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n"))
        )
        OpenAIInstrumentor().instrument(tracer_provider=provider)
        client = AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-mock-openai-0", max_retries=0, timeout=600)
        tasks = []
        for number in range(calls):
            tasks.append(asyncio.create_task(call(client, model, number, int(luck.lognormvariate(5, 0.8)))))
            await asyncio.sleep(luck.expovariate(rate))
        answered = await asyncio.gather(*tasks)
        provider.shutdown()
    if not any(answered):
        sys.exit("no call was answered: the log proves nothing")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
