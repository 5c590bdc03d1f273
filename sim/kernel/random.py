"""Random numbers where stages need them: pure functions of a root (a seed and a purpose) and what the draw is for.

The roots are signed, as a record holds them; modulo 2^64 they are the nodes of ``sim.stochastics.random_streams``.
"""

from __future__ import annotations

from sim.stochastics.random_streams import GAMMA, MASK, stream


def root_of(seed: int, purpose: int) -> int:
    """The node of a seed and a purpose as a signed 64-bit number."""
    root = stream(seed, purpose)
    return root - 2**64 if root >= 2**63 else root


def uniform_of(root: int, word: int) -> float:
    """The uniform in (0, 1) below a root for one word."""
    z = (root + GAMMA * (word + 1)) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return (((z ^ (z >> 31)) >> 11) | 1) * 2.0**-53


def node_below(root: int, word: int) -> int:
    """The node below a root for one word, signed."""
    z = (root + GAMMA * (word + 1)) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    z ^= z >> 31
    return z - 2**64 if z >= 2**63 else z


def uniform_below(root: int, first: int, second: int) -> float:
    """The uniform in (0, 1) below a root for two words."""
    return uniform_of(node_below(root, first), second)
