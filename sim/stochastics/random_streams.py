"""Every random number of Tenfold: a pure function of (seed, purpose, entity …), never the next of a shared sequence.

So the mock provider rolls for request 4711 what the model rolled for it, in whatever order requests arrive; two scenarios
that differ in one policy share all other luck; and a run replays from its seed.

The construction is a tree of SplitMix64 generators (Steele, Lea & Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014; finaliser: Stafford's variant 13 of MurmurHash3's fmix64). Each word selects the word-th output of the generator whose
state is the node so far: ``child(state, word) = mix(state + GAMMA · (word + 1))``. The words are, in order, seed, purpose, entities.
All arithmetic is modulo 2^64, so a negative word counts as its two's complement.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from operator import index
from typing import Any

import numpy as np

MASK = 0xFFFF_FFFF_FFFF_FFFF
GAMMA = 0x9E37_79B9_7F4A_7C15
BLOCK = 1 << 15  # elements worked on at once, so that temporaries stay in the cache


class Purpose(IntEnum):
    """What a draw is for. Numbers are part of the replay contract: new ones are appended to their group, none is ever reused.

    The comment names the entity words that follow.
    """

    REPLICATION = 0  # replication

    # workload
    ARRIVAL_GAP = 1  # number of the gap
    CONVERSATION_START = 2  # number of the gap between conversation starts
    TURNS = 3  # conversation
    THINK = 4  # conversation and turn, or client and n
    REQUEST_CLASS = 5  # call, or client and n
    USER = 6  # conversation, or batch of them
    PROMPT = 7  # call, or client and n
    INPUT_TOKENS = 8  # prompt
    OUTPUT_TOKENS = 9  # prompt
    TRACE_COPIES = 10  # row of the trace
    TRACE_SPREAD = 11  # row of the trace
    TRACE_JITTER = 12  # row of the trace, copy
    PROMPT_TEXT = 13  # prompt
    BATCH_SIZE = 14  # number of the batch
    CLIENT_RETRY = 15  # request, retry
    TOPIC = 16  # prompt
    CONTENT = 17  # prompt
    REGION = 18  # user

    # providers
    TTFT = 30  # target, prompt, occurrence; the whole latency of a model that has only that
    PER_TOKEN = 31  # target, prompt, occurrence
    ERROR = 33  # target, prompt, occurrence
    ERROR_AFTER = 34  # target, prompt, occurrence
    FAULT = 35  # fault, prompt, occurrence
    COLD_START = 37  # target, prompt, occurrence
    TIME_TO_FAILURE = 38  # fault, cycle
    TIME_TO_REPAIR = 39  # fault, cycle

    # gateway
    CPU = 60  # request
    RETRY_JITTER = 61  # request, attempt
    ROUTING = 62  # request, attempt
    SESSION_LOOKUP = 63  # request
    PATIENCE = 64  # request
    WRONG_ANSWER = 65  # prompt, prompt whose answer it got
    CLASSIFIER = 66  # request; request, 1: whether a poor answer is noticed
    VALIDATION = 67  # request, 0: what is wrong with it; 1: whether that is found
    SERIAL = 68  # request
    CPU_AFTER = 72  # request
    CPU_TOKEN = 73  # request
    STALL = 74  # worker, number of its stall
    REDIS = 75  # request
    CPU_BACKGROUND = 76  # request


def mix(z: Any) -> Any:
    """SplitMix64's finaliser, a bijection of 64-bit words. ``z`` is a Python int in [0, 2^64), a uint64 array, or (compiled) a uint64."""
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return z ^ (z >> 31)


def child(state: int, word: int) -> int:
    """The node of the tree below ``state`` that ``word`` selects."""
    return mix((state + GAMMA * (index(word) + 1)) & MASK)


@lru_cache(maxsize=4096)
def stream(seed: int, purpose: int) -> int:
    """The node of a seed and a purpose, from which entities branch."""
    return child(child(0, seed), purpose)


def replication_seed(seed: int, replication: int) -> int:
    """The seed of replication r: the scenario's own for r = 0, an independent one in [0, 2^63) otherwise."""
    return seed if replication == 0 else child(stream(seed, Purpose.REPLICATION), replication) >> 1


def uniform(seed: int, purpose: int, *entity: int) -> float:
    """One uniform in the open interval (0, 1): an odd multiple of 2^-53. Words are integers of any sign (TypeError otherwise)."""
    state = stream(seed, purpose)
    for word in entity:  # child(), written out: this is the innermost loop of the model
        z = (state + GAMMA * (index(word) + 1)) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
        state = z ^ (z >> 31)
    return ((state >> 11) | 1) * 2.0**-53


def uniforms(seed: int, purpose: int, *entities: Any) -> np.ndarray:
    """``uniform`` over broadcast integer arrays (and ints): float64 of the broadcast shape, bit-identical to the scalar function.

    TypeError if an entity is not of an integer type.
    """
    shape = np.broadcast_shapes(*(np.shape(entity) for entity in entities))
    words = [as_words(entity, shape) for entity in entities]
    root = stream(seed, purpose)
    drawn = np.empty(int(np.prod(shape, dtype=np.int64)), np.float64)
    for start in range(0, len(drawn), BLOCK):
        block = slice(start, start + BLOCK)
        drawn[block] = unit(branch(root, [word if isinstance(word, int) else word[block] for word in words]))
    return drawn.reshape(shape)


def as_words(entity: Any, shape: tuple[int, ...]) -> int | np.ndarray:
    """An int as it is; an array as flat uint64 of the given shape, a view where possible."""
    if np.ndim(entity) == 0:
        return index(entity.item() if isinstance(entity, np.ndarray) else entity)
    array = np.asarray(entity)
    if array.dtype.kind not in "iu":
        raise TypeError(f"expected integers to draw for, got {array.dtype}")
    wide = array.view(np.uint64) if array.dtype == np.int64 else array.astype(np.uint64)
    return np.broadcast_to(wide, shape).reshape(-1)


def branch(root: int, words: list[int | np.ndarray]) -> Any:
    """``child`` from word to word; a Python int until the first array."""
    state: Any = root
    for word in words:
        if isinstance(word, int):
            state = mix((state + ((GAMMA * (word + 1)) & MASK)) & MASK)
        else:
            state = mix((word + 1) * np.uint64(GAMMA) + (np.uint64(state) if isinstance(state, int) else state))
    return state


def unit(state: Any) -> Any:
    """A node as a uniform: its top 52 bits, centred, so that neither 0 nor 1 can occur (2^53 - 1/2 has no double)."""
    return ((state >> 11) | 1) * 2.0**-53
