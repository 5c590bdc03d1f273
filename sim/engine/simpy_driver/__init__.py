"""The driver on SimPy's clock: one replication as coroutines."""
