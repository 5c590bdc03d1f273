"""Finding out by experiment what a gateway costs and what it enforces, whatever its configuration says."""

# module with ``experiment(bench, declared)`` -> what it finds out about. Rate limits first, because all others keep within them; those
# that break something last.
EXPERIMENTS = {
    "rate_limits": "rate limits",
    "admission": "concurrency and the waiting room",
    "costs": "what a call costs",
    "streaming": "streams",
    "cancellation": "cancellation",
    "caching": "caches",
    "timeouts": "timeouts",
    "retries": "retries",
    "routing": "balancing and fallback",
    "breaker": "breakers and cool-downs",
}
