"""Features of a LiteLLM configuration that are not modelled, each with what that means for the prediction."""

from __future__ import annotations

from typing import Any

NO_EFFECT = "no effect on what is predicted"
PARTLY = "only its usual case is modelled"
MEANS: dict[str, dict[str, str]] = {
    "litellm_settings": {
        "guardrails": "each guardrail's own time comes on top of every call; add it to gateway.cpu_per_request",
        "callbacks": "calls to loggers and guardrails cost CPU that only calibrate sees",
        "success_callback": "logging after the answer costs CPU that only calibrate sees",
        "failure_callback": NO_EFFECT,
        "context_window_fallbacks": "prompts too long for a model fail here (400) instead of going to a longer one",
        "content_policy_fallbacks": "filtered answers are not asked again elsewhere",
        "default_fallbacks": "a last resort for every group: list it in gateway.routing to have it",
        "max_budget": "nobody is cut off when the money is spent: cost may be overstated beyond it",
        "budget_duration": "nobody is cut off when the money is spent: cost may be overstated beyond it",
        "enable_redis_auth_cache": NO_EFFECT,
        "model_group_settings": PARTLY,
        "force_ipv4": NO_EFFECT,
    },
    "router_settings": {
        "model_group_alias": "calls to an alias are those of their group",
        "retry_policy": "every kind of error is retried num_retries times",
        "model_group_retry_policy": "every kind of error is retried num_retries times",
        "allowed_fails_policy": "the cool-down goes by allowed_fails, or the share of failures",
        "context_window_fallbacks": "prompts too long for a model fail here (400) instead of going to a longer one",
        "content_policy_fallbacks": "filtered answers are not asked again elsewhere",
        "enable_pre_call_checks": "prompts too long for a model are sent and refused, which takes an attempt",
        "enable_tag_filtering": "tags do not choose among deployments",
        "redis_host": "instances share their counters at once; in truth after a delay",
        "redis_url": "instances share their counters at once; in truth after a delay",
        "provider_budget_config": "no provider is left out when its money is spent",
        "optional_pre_call_checks": "prompt-cache affinity is not modelled: cached input tokens may be overstated",
        "retry_after": "the pause before a retry is the back-off's",
        "routing_strategy_args": "latency- and usage-based routing see the present state; in truth a delayed one",
    },
    "general_settings": {
        "max_request_size_mb": "no call is refused for its size",
        "pass_through_endpoints": "their traffic is not in the model",
        "alerting": NO_EFFECT,
        "proxy_batch_write_at": NO_EFFECT,
        "background_health_checks": "health checks are no calls here: their tokens are not in the cost",
    },
}
MODELLED = {
    "litellm_settings": {"num_retries", "request_timeout", "fallbacks", "cache", "cache_params"},
    "router_settings": {
        "routing_strategy",
        "num_retries",
        "timeout",
        "stream_timeout",
        "fallbacks",
        "cooldown_time",
        "allowed_fails",
        "disable_cooldowns",
    },
    "general_settings": {"global_max_parallel_requests", "max_parallel_requests", "cancel_on_disconnect"},
}
SILENT = {"master_key", "database_url", "salt_key", "drop_params", "set_verbose", "json_logs", "store_model_in_db", "ui_access_mode",
          "store_prompts_in_spend_logs", "telemetry", "turn_off_message_logging", "redis_port", "redis_password", "disable_spend_logs",
          "database_connection_pool_limit", "alerting_threshold", "cache_responses", "debug_level", "port", "host"}  # fmt: skip
SECTIONS = {"model_list", "router_settings", "litellm_settings", "general_settings"}
OTHERS = {
    "environment_variables": NO_EFFECT,
    "guardrails": MEANS["litellm_settings"]["guardrails"],
    "mcp_servers": "tool calls over MCP are not in the model",
    "vector_store_registry": "retrieval's own time comes on top of every call that uses it",
    "include": "files that are included were not read: give the merged configuration",
}
PER_DEPLOYMENT = {
    "max_parallel_requests": "a deployment's own limit on calls at once is not modelled",
    "timeout": "a deployment's own timeout is not modelled: gateway.timeout holds for all",
    "stream_timeout": "a deployment's own timeout is not modelled: gateway.timeout holds for all",
    "max_retries": "the SDK's own retries beneath LiteLLM's are not modelled",
    "mock_response": "is answered by the provider's law here",
    "order": "deployments of a group are tried in the order of the file",
    "tags": "tags do not choose among deployments",
}


def not_modelled(content: dict[str, Any]) -> list[tuple[str, str]]:
    """(where in the configuration, what it means). Values are left out: they may be secrets."""
    found: list[tuple[str, str]] = []
    for section, means in MEANS.items():
        for key, value in (content.get(section) or {}).items():
            if key in MODELLED[section] or key in SILENT or value in (None, False, [], {}):
                continue
            found.append((f"{section}.{key}", means.get(key, "not known here: it changes nothing in the prediction")))
    cache = (content.get("litellm_settings") or {}).get("cache_params") or {}
    if "semantic" in str(cache.get("type", "")):
        found.append(("litellm_settings.cache_params.type", "a semantic cache also answers what is only alike: hits are understated"))
    for key in content:
        if key not in SECTIONS:
            found.append((str(key), OTHERS.get(str(key), "not known here: it changes nothing in the prediction")))
    for number, entry in enumerate(content.get("model_list") or ()):
        params = entry.get("litellm_params") or {} if isinstance(entry, dict) else {}
        found += [
            (f"model_list[{number}].litellm_params.{key}", means) for key, means in PER_DEPLOYMENT.items() if params.get(key) is not None
        ]
        if "*" in str(entry.get("model_name") if isinstance(entry, dict) else ""):
            found.append((f"model_list[{number}].model_name", "a wildcard route: only the models that the log has are in the scenario"))
    return found
