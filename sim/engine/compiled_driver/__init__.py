"""The chain in virtual time as machine code: the same stages and providers, compiled by numba's public means."""

import os

os.environ.setdefault("NUMBA_OPT", "1")
"""LLVM's first level: a program that is not kept yet compiles in a sixth less, and runs no slower. numba reads it when it is imported."""
