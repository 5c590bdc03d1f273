"""Real deployments: load generation, the reference gateway, other targets, and verify."""
