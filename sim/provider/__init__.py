"""One provider's behaviour: latency, rate limits, faults, prompt cache, shared capacity, prices."""
