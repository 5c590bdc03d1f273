"""One provider's behaviour: latency, limits, faults, prompt cache, shared capacity, prices. One source for both simulators and the mock."""
