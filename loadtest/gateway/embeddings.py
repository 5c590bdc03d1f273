"""Which of the texts that a semantic cache has answers to is most like a request's: embeddings compared by their cosine.

The vectoriser is a plain one that needs no model: counts of hashed shingles (overlapping pieces of the text), with signs so that collisions
cancel out on average (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009). ``Embeddings(vectorise)`` takes
any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from loadtest.gateway.parsing import text_of
from sim.gateway.stages.semantic_cache import is_usable
from sim.kernel.containers import NOBODY
from sim.workload.prompt_text import without_marker

SHINGLE = 16  # characters: two or three words, so that texts which share words alone have nothing in common
DIMENSIONS = 2048
ROOM = 256  # rows at first
MULTIPLIERS = np.random.default_rng(2009).integers(1, 2**63, SHINGLE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)

Vectorise = Callable[[str], np.ndarray]


def shingles(text: str) -> np.ndarray:
    """The text as a unit vector, float32 of shape (DIMENSIONS,)."""
    characters = np.frombuffer(text.lower().encode("utf-8", "replace").ljust(SHINGLE), np.uint8).astype(np.uint64)
    hashes = (np.lib.stride_tricks.sliding_window_view(characters, SHINGLE) * MULTIPLIERS).sum(axis=1, dtype=np.uint64)
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58_476D_1CE4_E5B9)
    places = (hashes >> np.uint64(40)) % np.uint64(DIMENSIONS)
    signs = np.where(hashes >> np.uint64(63), 1.0, -1.0)
    vector = np.bincount(places.astype(np.int64), weights=signs, minlength=DIMENSIONS)
    length = float(np.linalg.norm(vector))
    return (vector / length if length else vector).astype(np.float32)


class Embeddings:
    """Vectors of the texts whose answers the semantic caches of a gateway keep."""

    def __init__(self, vectorise: Vectorise = shingles) -> None:
        self.vectorise = vectorise
        self.keys: list[Any] = []
        self.place: dict[Any, int] = {}
        self.rows = np.zeros((ROOM, len(vectorise("text"))), np.float32)

    def nearest(self, g: Any, c: Any, now_s: float) -> Any:
        """As ``sim.gateway.hooks.nearest``."""
        scores = self.rows[: len(self.keys)] @ self.vector_of(c)
        least = g.indexes[g.catalogs[c.kind].index].threshold
        near = np.flatnonzero(scores >= least - 1e-6)
        for place in near[np.argsort(-scores[near], kind="stable")].tolist():
            key = self.keys[place]
            if key in g.similar and is_usable(g, c, key, now_s):
                c.similarity = max(least, min(1.0, float(scores[place])))
                return key
        return NOBODY

    def vector_of(self, c: Any) -> np.ndarray:
        request = c.exchange
        if request.vector is None:
            request.vector = self.vectorise(without_marker("".join(text_of(message) for message in request.current)))
        vector: np.ndarray = request.vector
        return vector

    def keep(self, g: Any, c: Any) -> None:
        """A call has ended: its vector is kept, if a cache has just kept its answer."""
        if not is_there(g, c.prompt):
            return
        place = self.place.get(c.prompt)
        if place is None:
            place = self.place[c.prompt] = len(self.keys)
            self.keys.append(c.prompt)
            if place == len(self.rows):
                self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        self.rows[place] = self.vector_of(c)
        if len(self.keys) > ROOM + 2 * sum(index.ages.length for index in g.indexes.values()):
            self.forget_dropped(g)

    def forget_dropped(self, g: Any) -> None:
        kept = [place for place, key in enumerate(self.keys) if is_there(g, key)]
        self.rows[: len(kept)] = self.rows[kept]
        self.keys = [self.keys[place] for place in kept]
        self.place = {key: place for place, key in enumerate(self.keys)}


def is_there(g: Any, key: Any) -> bool:
    return key in g.similar and g.similar[key].kept
