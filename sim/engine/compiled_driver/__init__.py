"""The chain in virtual time as machine code: the same stages and providers, compiled by numba's public means."""
