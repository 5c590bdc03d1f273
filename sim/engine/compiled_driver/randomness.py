"""The keyed hash of ``sim.stochastics.random_streams`` on 64-bit words, for stages and providers in compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.engine.compiled_driver.numbing import jitable, means
from sim.kernel import random
from sim.stochastics import random_streams

GAMMA = np.uint64(random_streams.GAMMA)
FIRST, SECOND = np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB)
ONE, ELEVEN, BITS_27, BITS_30, BITS_31 = (np.uint64(number) for number in (1, 11, 27, 30, 31))


@jitable
def child(node: Any, word: Any) -> Any:
    """Both are taken modulo 2^64. The node below: a uint64."""
    z = np.uint64(node) + GAMMA * (np.uint64(word) + ONE)
    z = (z ^ (z >> BITS_30)) * FIRST
    z = (z ^ (z >> BITS_27)) * SECOND
    return z ^ (z >> BITS_31)


@jitable
def unit(node: Any) -> float:
    return np.float64((node >> ELEVEN) | ONE) * 2.0**-53


@means(random.uniform_of)
def compiled_uniform_of(root: int, word: int) -> Callable[..., Any]:
    return lambda root, word: unit(child(root, word))


@means(random.node_below)
def compiled_node_below(root: int, word: int) -> Callable[..., Any]:
    return lambda root, word: np.int64(child(root, word))


@means(random.uniform_below)
def compiled_uniform_below(root: int, first: int, second: int) -> Callable[..., Any]:
    return lambda root, first, second: unit(child(child(root, first), second))
