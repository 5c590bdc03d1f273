"""The gateway of launch.yaml as one writes it in SimPy on a first day: a Process a request, Resources, Timeouts, ``random``.

Plainly written, not made slow: states are small classes, draws come from the standard library, one row is kept a request and one an
attempt. It has the stages of ``sim.gateway``; draws are its own, so its figures agree with Tenfold's in distribution only.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import OrderedDict, deque
from itertools import accumulate
from math import log

import simpy

from sim.scenario.model import Scenario

Z99 = 2.3263478740408408


class TokenBucket:
    def __init__(self, rate, burst):
        self.rate, self.burst, self.level, self.at = rate, burst, burst, 0.0

    def take(self, now, cost=1.0):
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < min(cost, self.burst):
            return False
        self.level -= cost
        return True


class Breaker:
    """Resilience4j's count window, without slow calls."""

    def __init__(self, size=100, failure_rate=0.5, open_for=15.0, probes=10):
        self.size, self.failure_rate, self.open_for, self.probes = size, failure_rate, open_for, probes
        self.window, self.failed, self.state, self.opened, self.permits = deque(), 0, "closed", 0.0, 0

    def allows(self, now):
        if self.state == "open" and now >= self.opened + self.open_for:
            self.state, self.permits = "half-open", self.probes
            self.window.clear()
            self.failed = 0
        if self.state == "half-open":
            self.permits -= 1
            return self.permits >= 0
        return self.state == "closed"

    def record(self, now, failed):
        if self.state == "open":
            return
        self.window.append(failed)
        self.failed += failed
        needed = self.probes if self.state == "half-open" else self.size
        if len(self.window) > self.size:
            self.failed -= self.window.popleft()
        if len(self.window) < needed:
            return
        if self.failed >= self.failure_rate * len(self.window):
            self.state, self.opened = "open", now
            self.window.clear()
            self.failed = 0
        elif self.state == "half-open":
            self.state = "closed"
            self.window.clear()
            self.failed = 0


class Target:
    def __init__(self, name, provider, model):
        self.name, self.provider, self.breaker, self.next_key = name, provider, Breaker(), 0
        self.ttft, self.per_token = model.ttft, model.per_token
        self.keys = [
            (
                TokenBucket(provider.limits.requests.rps, provider.limits.requests.count) if provider.limits.requests else None,
                TokenBucket(provider.limits.tokens.rps, provider.limits.tokens.count) if provider.limits.tokens else None,
            )
            for _ in range(provider.keys)
        ]


def lognormal(law):
    sigma = law.sigma if law.sigma is not None else log(law.p99 / law.median) / Z99
    return random.lognormvariate(log(law.median), sigma)


class Gateway:
    def __init__(self, env, scenario: Scenario, scale: float):
        self.env, self.scenario, config = env, scenario, scenario.gateway
        self.users = round(scenario.workload.users.count * scale)
        self.rate = scenario.workload.arrivals.rate.rps * scale
        self.per_user, self.overall = {}, TokenBucket(config.limits.global_.requests.rps, config.limits.global_.requests.count)
        self.cpu = [simpy.Resource(env, 1) for _ in range(config.workers)]
        self.turn = 0
        self.slots = simpy.Resource(env, config.queue.concurrency)
        self.cache, self.flights, self.sessions = OrderedDict(), {}, {}
        self.budget = 10.0
        self.targets = {
            f"{name}/{model}": Target(f"{name}/{model}", provider, each)
            for name, provider in scenario.providers.items()
            for model, each in provider.models.items()
        }
        self.routes = {need: [self.targets[name] for name in names] for need, names in config.routing.capabilities.items()}
        self.shares = list(accumulate(each.share for each in scenario.workload.requests))
        self.popularity = list(accumulate(1 / k for k in range(1, scenario.workload.requests[0].prompts.catalog + 1)))
        self.outage = scenario.faults[0]
        self.rows, self.attempts = [], []

    def arrivals(self):
        env, until, number = self.env, self.scenario.workload.duration, 0
        while True:
            yield env.timeout(random.expovariate(self.rate))
            if env.now >= until:
                return
            number += 1
            env.process(self.request(number))

    def request(self, number):
        env, config, arrived = self.env, self.scenario.gateway, self.env.now
        user = random.randrange(self.users)
        kind = bisect_left(self.shares, random.random() * self.shares[-1])
        cls = self.scenario.workload.requests[kind]
        prompt = bisect_left(self.popularity, random.random() * self.popularity[-1]) if cls.prompts else 1_000_000 + number
        turn = 0
        while random.random() < 0.75:
            turn += 1
        row = {
            "request": number,
            "arrived": arrived,
            "kind": kind,
            "user": user,
            "prompt": prompt,
            "attempts": 0,
            "cost": 0.0,
            "waited": 0.0,
        }
        self.rows.append(row)
        bucket = self.per_user.get(user)
        if bucket is None:
            bucket = self.per_user[user] = TokenBucket(config.limits.per_user.requests.rps, config.limits.per_user.requests.count)
        if not bucket.take(arrived) or not self.overall.take(arrived):
            self.end(row, "rate_limited")
            return
        self.turn = (self.turn + 1) % len(self.cpu)
        with self.cpu[self.turn].request() as core:
            yield core
            yield env.timeout(lognormal(config.cpu_per_request))
        row["cpu"] = env.now - arrived
        self.sessions[user] = env.now
        history = 0
        if not cls.prompts:
            for _ in range(min(turn, config.context.keep_turns if turn >= config.context.after_turns else turn)):
                history += round(lognormal(cls.tokens.input)) + round(lognormal(cls.tokens.output))
        row["input"], row["output"] = max(1, round(lognormal(cls.tokens.input))) + history, max(1, round(lognormal(cls.tokens.output)))
        deadline = arrived + config.timeout.total
        if history:
            outcome = yield from self.queued(row, cls, deadline)
        else:
            outcome = yield from self.cached(row, cls, deadline)
        if outcome in ("error", "timeout"):
            outcome = "fallback"
        self.end(row, outcome)

    def cached(self, row, cls, deadline):
        env, prompt, cache = self.env, row["prompt"], self.cache
        while True:
            expires = cache.get(prompt)
            if expires is not None and env.now < expires:
                cache.move_to_end(prompt)
                return "cache_hit"
            flight = self.flights.get(prompt)
            if flight is None:
                break
            patience = env.timeout(max(0.0, deadline - env.now))
            yield flight | patience
            if not flight.triggered:
                return "timeout"
        flight = self.flights[prompt] = env.event()
        outcome = yield from self.queued(row, cls, deadline)
        if outcome == "ok":
            cache[prompt] = env.now + self.scenario.gateway.cache[0].ttl
            if len(cache) > self.scenario.gateway.cache[0].capacity:
                cache.popitem(last=False)
        del self.flights[prompt]
        flight.succeed()
        return outcome

    def queued(self, row, cls, deadline):
        env, queue, since = self.env, self.scenario.gateway.queue, self.env.now
        if len(self.slots.queue) >= queue.waiting:
            return "rejected"
        with self.slots.request() as slot:
            yield slot | env.timeout(queue.timeout)
            if not slot.triggered:
                return "rejected"
            row["waited"] = env.now - since
            outcome = yield from self.ask(row, cls, deadline)
        return outcome

    def ask(self, row, cls, deadline):
        env, config = self.env, self.scenario.gateway
        self.budget = min(10.0, self.budget + config.retry.budget)
        outcome = "error"
        for target in self.routes[cls.needs]:
            for attempt in range(config.retry.attempts):
                if attempt:
                    if self.budget < 1.0:
                        break
                    self.budget -= 1.0
                    pause = random.random() * min(config.retry.backoff.cap, config.retry.backoff.base * 2 ** (attempt - 1))
                    if env.now + pause >= deadline:
                        break
                    yield env.timeout(pause)
                if not target.breaker.allows(env.now):
                    break
                outcome = yield from self.attempt(row, target, deadline)
                if outcome == "ok":
                    return "ok"
                if env.now >= deadline:
                    return "timeout"
        return outcome

    def attempt(self, row, target, deadline):
        env, config, started = self.env, self.scenario.gateway, self.env.now
        row["attempts"] += 1
        requests, tokens = target.keys[target.next_key]
        target.next_key = (target.next_key + 1) % len(target.keys)
        outage, provider = self.outage, target.provider
        limited = (requests is not None and not requests.take(started)) or (
            tokens is not None and not tokens.take(started, row["input"] + row["output"])
        )
        down = target.name.startswith(outage.provider + "/") and outage.at <= started < outage.at + outage.for_
        if down or limited or random.random() < provider.errors.rate:
            yield env.timeout(0.1)
            outcome, produced = "error", 0
        else:
            first, each = lognormal(target.ttft), lognormal(target.per_token)
            if first > config.timeout.first_token:
                yield env.timeout(config.timeout.first_token)
                outcome, produced = "timeout", 0
            else:
                answer = env.timeout(first + (row["output"] - 1) * each)
                over = env.timeout(deadline - started)
                yield answer | over
                outcome, produced = ("ok", row["output"]) if answer.processed else ("timeout", int((env.now - started - first) / each))
                row["cost"] += (row["input"] * 0.15 + produced * 0.6) / 1e6
                row["ttft"] = started + first - row["arrived"]
        target.breaker.record(env.now, outcome != "ok")
        self.attempts.append((row["request"], target.name, started, env.now - started, outcome, produced))
        return outcome

    def end(self, row, outcome):
        row["outcome"], row["latency"] = outcome, self.env.now - row["arrived"]


def run(scenario: Scenario, scale: float = 1.0, seed: int = 1) -> Gateway:
    """Play the scenario (launch.yaml, or one with its stages) and return the gateway with its ``rows`` and ``attempts``."""
    random.seed(seed)
    env = simpy.Environment()
    gateway = Gateway(env, scenario, scale)
    env.process(gateway.arrivals())
    env.run()
    return gateway
