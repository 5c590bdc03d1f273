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
    "workers by their CPUs": (
        "gateway.workers=2", "gateway.cpu_per_request={kind: exponential, mean: 60ms}", "gateway.limits={}", "gateway.fallback=[]",
        "gateway.autoscale={kind: hpa, max: 8, target: 50%, start_up: 7.5s, every: 5s, stabilization: 20s}",
        "workload.arrivals={kind: stages, stages: [{rate: 6/s, duration: 1m}, {rate: 30/s, duration: 1m}, {rate: 4/s, duration: 2m}]}",
        "workload.conversations=null", "workload.duration=4m", "faults=[]",
    ),
    "workers by their calls, from none": (
        "gateway.queue={concurrency: 6, per: worker, waiting: 40, timeout: 9s}", "gateway.limits={}",
        "gateway.autoscale={kind: keda, start: 0, max: 6, calls_per_worker: 5, start_up: 2s, poll: 4s, cooldown: 10s, "
        "stabilization: 10s, every: 5s}",
        "workload.arrivals={kind: stages, stages: [{rate: 3/s, duration: 20s}, "
        "{rate: 0.01/s, duration: 60s}, {rate: 12/s, duration: 160s}]}",
        "workload.conversations=null", "workload.duration=4m", "faults=[]",
        "gateway.cpu_per_request=null", "gateway.breaker=null", "gateway.retry.budget=null",
    ),
    "regions, one of which goes down": (
        "gateway.regions={gateways: [us, eu], within: 12ms, rtt: {us: {eu: 71ms, ap: 213ms}, eu: {ap: 168ms}}, detect: 20s}",
        "workload.users={count: 300, regions: {us: 0.5, eu: 0.3, ap: 0.2}}", "providers.alpha.region=us", "providers.beta.region=eu",
        "gateway.workers=4", "gateway.cache=[{kind: cdn, ttl: 15s, points: 3, hit: 5ms}, {kind: exact, ttl: 20s}]",
        "workload.duration=4m", "gateway.serial_per_request=2ms",
        "faults=[{kind: region-outage, region: us, at: 90.25s, for: 45.5s}, "
        "{kind: dns-outage, provider: beta, at: 20s, for: 30s, ttl: 15s}, "
        "{kind: crash, provider: alpha, also: [beta], at: 150s, for: 60s, input_tokens: 4000, restart: 5s}]",
    ),
    "tiers by a classifier, hedged": (
        "gateway.classifier={misclassified: 25%, notices: 60%}", "gateway.hedge={after: 700ms, at_most: 0.3, to: next}",
        "gateway.connections={max: 14, wait: 1s, keep: 4, idle: 1s, setup: 120ms}",
    ),
    "jobs over few connections": (
        "gateway.jobs={classes: [talk, reasoning], workers: 4, waiting: 7, lifetime: 3s, long: {above: 3000, workers: 5, waiting: 9}}",
        "gateway.queue.concurrency=40", "workload.client.timeout=2s",
        "gateway.connections={max: 9, wait: 700ms, keep: 5, idle: 400ms, setup: 80ms}",
    ),
}  # fmt: skip
