"""Changes to everything.yaml with which the guide's mechanisms are at work, for the comparisons of drivers."""

GUIDE = {
    "layered caches": (
        "gateway.cache=[{kind: cdn, ttl: 15s, points: 3, hit: 5ms, classes: [faq]}, {kind: exact, ttl: 20s, capacity: 150, "
        "invalidation: version, notice: 2s}, {kind: semantic, ttl: 40s, threshold: 0.85, capacity: 90, wrong: 50%, "
        "embedding: {time: 30ms, price: 0.02}, invalidation: version, classes: [faq, talk]}]",
        "workload.requests.faq.prompts={catalog: 400, zipf: 0.9, topics: 60, common: 0.7, changes: 1m}",
    ),
    "input validation": (
        "gateway.validation={malformed: 3%, injected: 5%, finds: 70%, false_alarms: 1%, time: 20ms, price: 0.1}",
        "gateway.cache=[{kind: cdn, ttl: 20s}, {kind: exact, ttl: 20s}]",
    ),
    "summaries by calls": (
        "gateway.context={kind: summarize, after_turns: 3, keep_turns: 1, every: 2, summary_tokens: 80, model: alpha/mini, timeout: 1s}",
        "gateway.token_budget={tokens: 4000, answer: 300, least: 40}",
        "providers.alpha.prompt_cache={ttl: 1m, minimum: 300, step: 64}", "gateway.hedge={after: 900ms, at_most: 0.2}",
        "workload.conversations.turns.mean=9",
    ),
    "less under load": (
        "gateway.overload={signal: wait, above: 0.4, below: 0.1, model: small, answer: 60, shed: [reasoning]}",
        "gateway.fallback_on=[error, timeout, rejected]", "gateway.spend_limit={global_usd: 1, per: 1m}",
    ),
    "tiers by a classifier": (
        "gateway.classifier={misclassified: 25%, time: 15ms, price: 0.05, notices: 60%}",
        "workload.client.patience={kind: exponential, mean: 2s}",
    ),
    "tiers by a classifier, hedged": (
        "gateway.classifier={misclassified: 25%, notices: 60%}", "gateway.hedge={after: 700ms, at_most: 0.3, to: next}",
    ),
}  # fmt: skip
