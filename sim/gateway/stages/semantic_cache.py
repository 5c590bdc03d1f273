"""Semantic caches: the answer to the most similar prompt is given if that is similar enough, at the price of an embedding of each prompt.

Similarity is the cosine of two texts' embeddings. The model knows it by law: prompts of one topic begin with the same text, and the cosine
of two counts of shingles is the length that they have in common over the geometric mean of their lengths. The workload's texts are written
so; a real gateway embeds them, and compares vectors.

A hit on another prompt's answer is wrong with a probability in proportion to the distance 1 - similarity. By default 3 % of those at
similarity 0.8: at that threshold Regmi & Pun (GPT Semantic Cache, arXiv:2411.05276) found more than 97 % of the hits right.
"""

from __future__ import annotations

from dataclasses import field
from math import inf, nan, sqrt
from typing import Annotated, Any, Literal

from pydantic import Field

from sim.data.outcomes import CACHE_HIT, OK, TIMEOUT
from sim.gateway.call import CONTINUE, WAIT
from sim.gateway.hooks import nearest
from sim.gateway.stages.freshness import SEMANTIC, caches_of, changed, serve, serving, told_after_s
from sim.kernel.containers import NOBODY, Keyed, Line, append, forget, remove
from sim.kernel.random import root_of, uniform_below, uniform_of
from sim.kernel.state import Short, Wide, state
from sim.provider.pricing import MILLION
from sim.scenario.metric_names import StageFigure
from sim.scenario.units import Seconds
from sim.scenario.values import Count, Duration, Model, Name, Share
from sim.stochastics.random_streams import Purpose

FAR = 0.2  # the distance that ``wrong`` is stated for
OPTIONAL = True


class Embedding(Model):
    """What finding similar prompts takes."""

    time: Duration = Field(Seconds(0.0), description="to embed a prompt and look it up; 0: by a vectoriser within the gateway")
    price: Annotated[float, Field(ge=0)] = Field(
        0.0, description="USD per million tokens embedded (OpenAI's text-embedding-3-small: 0.02); 0: by the gateway's own vectoriser"
    )


class SemanticCache(Model):
    """Answers to similar prompts."""

    kind: Literal["semantic"]
    threshold: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="cosine similarity, a plain number, from which an answer is given"
    )
    ttl: Duration = Field(description="an answer is fresh for so long")
    capacity: Count = Field(1_000, description="answers kept; beyond, the oldest goes")
    embedding: Embedding = Field(Embedding(), description="time and price of an embedding")
    wrong: Share = Field(
        0.03, description="share of hits at similarity 0.8 that are wrong; nearer ones in proportion to the distance from 1"
    )
    invalidation: Literal["ttl", "version"] = Field("ttl", description="version: an answer is dropped when its content has changed")
    notice: Duration = Field(Seconds(0.0), description="from a change of the content until the cache is told")
    classes: tuple[Name, ...] = Field(
        (), description="request classes that it serves; default: all that no semantic cache before it serves"
    )


@state
class State:
    topic_root: Wide  # of the draws
    wrong_root: Wide


@state
class Index:
    """One of the semantic caches."""

    threshold: float = 1.0
    ttl_s: float = 0.0
    embed_s: float = 0.0
    token_usd: float = 0.0
    wrong: float = 0.0
    notice_s: float = inf
    capacity: int = 0
    ages: Line = field(default_factory=Line)  # its entries, the oldest first


@state
class Catalog:
    """The prompts of a request class: which cache serves them, and their topics."""

    index: Short = NOBODY
    first_prompt: Wide = 0
    prompts: Wide = 0
    first_topic: int = 0
    topics: int = 0
    common: float = 1.0


@state
class Similar:
    """A prompt that has an answer here, on the line of its cache's ages."""

    kept: bool = False
    index: Short = NOBODY
    kind: Short = 0
    made_s: float = -inf
    tokens: int = 0
    before: int = NOBODY
    after: int = NOBODY


@state
class OfTopic:
    """A prompt on the line of its topic."""

    before: int = NOBODY
    after: int = NOBODY


@state
class Call:
    embeds: bool = False
    embed_since_s: float = 0.0
    embedding_s: float = 0.0
    embedding_usd: float = 0.0
    similarity: float = nan
    wrong_answer: bool = False


COLUMNS = {
    "embedding_s": ("f8", "embedding its prompt and looking for similar ones"),
    "embedding_usd": ("f8", "price of its embedding, a part of cost_usd"),
    "similarity": ("f8", "to the prompt whose answer it got from a semantic cache; nan if it got none"),
    "wrong_answer": ("i1", "1: that answer is another question's"),
}
COSTS = ("embedding_usd",)
PARTS = {"embedding_s": "embedding"}
FIGURES = {
    "wrong_answer_rate": StageFigure(
        "share", "lower", "requests given another question's answer by a semantic cache", column="wrong_answer"
    ),
    "embedding_usd": StageFigure("USD", "lower", "embeddings, per request", column="embedding_usd"),
}


def build(scenario: Any, seed: int) -> Any:
    return State(root_of(0, Purpose.TOPIC), root_of(seed, Purpose.WRONG_ANSWER)) if caches_of(scenario, "semantic") else None


def indexes(scenario: Any, s: Any) -> Keyed:
    rows = [
        Index(
            each.threshold, each.ttl, each.embedding.time, each.embedding.price / MILLION, each.wrong, told_after_s(each), each.capacity,
        )
        for each in caches_of(scenario, "semantic")
    ]  # fmt: skip
    return Keyed(len(rows), Index, rows)


def catalogs(scenario: Any, s: Any) -> Keyed:
    return Keyed(len(scenario.workload.requests), Catalog, catalogs_of(scenario))


def catalogs_of(scenario: Any) -> list[Catalog]:
    """By request class. Prompts are numbered as ``sim.workload.calls`` numbers them: catalog after catalog."""
    rows, first_prompt, first_topic = [], 0, 0
    caches = caches_of(scenario, "semantic")
    for each in scenario.workload.requests:
        row = Catalog(serving(caches, each.name))
        if each.prompts is not None:
            row.first_prompt, row.prompts, row.common = first_prompt, each.prompts.catalog, each.prompts.common
            row.first_topic, row.topics = first_topic, each.prompts.topics or 0
            first_prompt, first_topic = first_prompt + row.prompts, first_topic + row.topics
        rows.append(row)
    return rows


def similar(scenario: Any, s: Any) -> Keyed:
    return Keyed("prompt", Similar)


def of_topic(scenario: Any, s: Any) -> Keyed:
    return Keyed("prompt", OfTopic)


def topic_lines(scenario: Any, s: Any) -> Keyed:
    return Keyed(max(1, sum(row.topics for row in catalogs_of(scenario))), Line)


TABLES = (indexes, catalogs, similar, of_topic, topic_lines)


def enter(g: Any, c: Any, now_s: float) -> int:
    number = g.catalogs[c.kind].index
    if number == NOBODY or c.input_tokens > c.prompt_tokens:
        return CONTINUE
    index = g.indexes[number]
    c.embeds, c.embed_since_s = True, now_s
    c.embedding_usd = c.prompt_tokens * index.token_usd
    c.cost_usd += c.embedding_usd
    if index.embed_s <= 0.0:
        return woken(g, c, now_s)
    c.until_s = min(now_s + index.embed_s, c.deadline_s)
    return WAIT


def woken(g: Any, c: Any, now_s: float) -> int:
    c.embedding_s = now_s - c.embed_since_s
    if now_s >= c.deadline_s:
        return TIMEOUT
    found = nearest(g, c, now_s)
    index = g.indexes[g.catalogs[c.kind].index]
    if found == NOBODY or c.similarity < index.threshold:
        c.similarity = nan
        return CONTINUE
    distance = 1.0 - c.similarity
    c.wrong_answer = found != c.prompt and uniform_below(g.semantic_cache.wrong_root, c.prompt, found) < index.wrong * distance / FAR
    serve(g, c, SEMANTIC, found, g.similar[found].made_s, now_s)
    return CACHE_HIT


def leave(g: Any, c: Any, now_s: float) -> None:
    if c.embeds and c.outcome == OK:
        keep(g, c, g.catalogs[c.kind].index, now_s)
    elif c.embeds and not g.similar[c.prompt].kept:
        forget(g.similar, c.prompt)


def nearest_by_law(g: Any, c: Any, now_s: float) -> int:
    """The prompt with a usable answer that is most like the call's, and ``c.similarity`` to it; NOBODY if there is none."""
    if is_usable(g, c, c.prompt, now_s):
        c.similarity = 1.0
        return c.prompt
    found = NOBODY
    topic = topic_of(g.catalogs[c.kind], c.prompt)
    if topic != NOBODY:
        own, key = common_tokens(g, c.kind, c.prompt, c.prompt_tokens), g.topic_lines[topic].last
        c.similarity = 0.0
        for _ in range(g.topic_lines[topic].length):
            if is_usable(g, c, key, now_s):
                tokens = g.similar[key].tokens
                common = min(own, common_tokens(g, c.kind, key, tokens))
                cosine = common / sqrt(float(c.prompt_tokens) * float(tokens))
                if cosine > c.similarity:
                    c.similarity, found = cosine, key
            key = g.of_topic[key].before
    return found


def is_usable(g: Any, c: Any, key: Any, now_s: float) -> bool:
    """Whether the call's cache has an answer to that prompt of its class, still fresh."""
    entry = g.similar[key]
    if not entry.kept or entry.index != g.catalogs[c.kind].index or entry.kind != c.kind:
        return False
    index = g.indexes[entry.index]
    if now_s >= entry.made_s + index.ttl_s:
        return False
    return not changed(g, c.kind, key, entry.made_s, now_s - index.notice_s)


def topic_of(catalog: Any, prompt: Any) -> int:
    """The topic of a prompt; NOBODY: of no other's."""
    place = prompt - catalog.first_prompt
    if catalog.topics == 0 or place < 0 or place >= catalog.prompts:
        return NOBODY
    return catalog.first_topic + place % catalog.topics


def common_tokens(g: Any, kind: int, prompt: Any, tokens: int) -> float:
    """How much of a prompt of so many tokens its topic has in common."""
    return tokens_in_common(g.semantic_cache.topic_root, g.catalogs[kind].common, prompt, tokens)


def tokens_in_common(root: int, least: float, prompt: Any, tokens: int) -> int:
    """Tokens at the beginning of a prompt that are its topic's: a share of them that is uniform between ``least`` and all, and the prompt's
    own."""
    return int(tokens * (least + (1.0 - least) * uniform_of(root, prompt)))


def keep(g: Any, c: Any, number: int, now_s: float) -> None:
    """The call's answer is kept by cache ``number``; in place of the oldest one where there is no room."""
    if g.similar[c.prompt].kept:
        drop(g, c.prompt)
    entry, index = g.similar[c.prompt], g.indexes[number]
    entry.kept, entry.index, entry.kind, entry.made_s, entry.tokens = True, number, c.kind, now_s, c.prompt_tokens
    append(g.similar, index.ages, c.prompt)
    topic = topic_of(g.catalogs[c.kind], c.prompt)
    if topic != NOBODY:
        append(g.of_topic, g.topic_lines[topic], c.prompt)
    if index.ages.length > index.capacity:
        drop(g, index.ages.first)


def drop(g: Any, key: Any) -> None:
    """Give an entry up."""
    entry = g.similar[key]
    remove(g.similar, g.indexes[entry.index].ages, key)
    topic = topic_of(g.catalogs[entry.kind], key)
    if topic != NOBODY:
        remove(g.of_topic, g.topic_lines[topic], key)
        forget(g.of_topic, key)
    entry.kept = False
    forget(g.similar, key)
