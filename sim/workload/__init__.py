"""Who asks what, and when: the scenario's workload as columns of requests."""
