"""Policies: small numeric states and pure functions of (state, now, …). They never wait, read a clock or do I/O."""
