"""Finding out by experiment what a gateway costs and what it enforces, whatever its configuration says."""
