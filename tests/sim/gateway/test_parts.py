"""How the gateway is put together from its stages, and where calls wait in it."""

from __future__ import annotations

from typing import Any

import pytest

from sim.gateway import chain
from sim.kernel.state import state
from tests.sim.gateway.by_hand import by_hand
from tests.sim.tiny import scenario

EVERYTHING: dict[str, Any] = {
    "limits": {"global": {"requests": "1000/s", "tokens": "100000/s"}},
    "spend_limit": {"per_user_usd": 1000.0},
    "cpu_per_request": {"kind": "constant", "value": "1ms"},
    "sessions": {"lookup": {"kind": "constant", "value": "1s"}},
    "timeout": {"total": "60s"},
    "cache": [{"kind": "exact", "ttl": "1m"}],
    "queue": {"concurrency": 1, "waiting": 2},
    "retry": {"attempts": 3, "backoff": {"kind": "constant", "base": "1s"}},
    "hedge": {"after": "5s", "at_most": 1.0},
    "breaker": {"window_size": 2, "minimum_calls": 2},
    "fallback": ["next-provider", "canned"],
}

EVERY_STAGE = EVERYTHING | {
    "validation": {"malformed": "1%"},
    "sessions": {"store": "redis"},
    "overload": {"above": 2, "answer": 9},
    "token_budget": {"tokens": 2000},
    "classifier": {"misclassified": "1%"},
    "autoscale": {"kind": "hpa", "max": 4, "start_up": "1s"},
    "regions": {"gateways": ["us"]},
    "serial_per_request": {"kind": "constant", "value": "1ms"},
    "accepts": "one",
    "cpu_per_token": {"kind": "constant", "value": "1ms"},
    "ejection": {"kind": "envoy"},
    "cache": [{"kind": kind, "ttl": "1m"} for kind in ("cdn", "exact", "semantic")],
    "routing": {"kind": "capability", "default": ["a/one"], "large": ["b/two"]},
    "context": {"kind": "summarize", "after_turns": 3, "keep_turns": 1, "model": "b/two"},
    "jobs": {"workers": 1},
    "connections": {"max": 1},
}


class TestParts:
    """How the chain is put together from its stages."""

    def test_no_two_stages_may_declare_the_same(self, monkeypatch):
        monkeypatch.setattr(chain.context, "COLUMNS", {"key": ("i8", "not this one")})
        with pytest.raises(TypeError, match="key is declared twice among the stages' COLUMNS"):
            chain.declared("COLUMNS")

    def test_no_two_stages_may_keep_the_same_field_of_a_call(self):
        @state
        class Other:
            queue_wait_s: float = 0.0

        with pytest.raises(TypeError, match=r"queue_wait_s is declared by sim\.gateway\.stages\.admission and by tests"):
            chain.merge("Call", chain.admission.Call, Other)

    def test_what_is_declared_stands_in_the_order_of_the_chain(self):
        assert list(chain.declared("PARTS")) == [
            "edge_s", "network_s", "worker_wait_s", "accept_s", "cpu_s", "serial_s", "validation_s", "redis_s", "job_wait_s", "coalesced_s",
            "embedding_s", "classifier_s", "escalated_s", "queue_wait_s", "summary_s", "backoff_s", "pool_wait_s", "connect_s",
            "backbone_s", "failed_s", "first_token_s", "generation_s",
        ]  # fmt: skip

    def test_every_draw_has_a_purpose_of_its_own(self):
        purposes = [purpose for purpose, _ in chain.declared("DRAWS").values()]
        assert len(set(purposes)) == len(purposes) > 0

    def test_stages_are_named_once_and_stand_where_the_state_of_the_gateway_has_them(self):
        names = [chain.name_of(stage) for stage in chain.STAGES]
        assert len(set(names)) == len(names)
        assert set(names) <= set(chain.Gateway._fields)

    def test_a_stage_that_the_scenario_does_not_use_is_none_and_costs_nothing(self):
        hand = by_hand()
        g, c = hand.g, hand.start()
        for stage in ("degrade", "rate_limit", "cpu", "sessions", "deadline", "exact_cache", "admission", "hedge", "breaker"):
            assert getattr(g, stage) is None, stage
        for table in ("workers", "conversations", "prompts", "caches", "lines", "circuits", "results", "user_requests"):
            assert getattr(g, table) is None, table
        assert [chain.name_of(stage) for stage in chain.used_by(g)] == ["context", "route", "retry", "api_keys", "upstream"]
        assert len(g.path.enter) == 5
        assert not {"queue_wait_s", "permitted", "coalesced_s", "cpu_s"} & set(type(c).__mro__[1].__slots__)
        assert (c.queue_wait_s, c.cpu_s, c.deadline_s) == (0.0, 0.0, float("inf")), "their fields are constants"
        with pytest.raises(AttributeError):
            c.queue_wait_s = 1.0

    def test_a_stage_that_it_uses_is_there_with_its_tables_and_its_fields(self):
        hand = by_hand(changes={"a": {"region": "us"}}, **EVERY_STAGE)
        assert chain.used_by(hand.g) == list(chain.STAGES)
        assert len(hand.g.path.enter) == len(chain.stages_passed(list(chain.STAGES)))
        assert not [name for name in chain.TABLES if getattr(hand.g, name) is None]

    def test_the_way_out_from_each_place_is_that_of_the_stages_above_it(self):
        path = by_hand(**EVERYTHING).g.path
        for place in range(len(path.leave)):
            assert path.ways_out[place] == tuple(hook for hook in path.leave[place::-1] if hook is not None)

    def test_a_hook_that_a_stage_has_only_imported_is_not_its_own(self):
        assert chain.hook_of(chain.route, "permits") is None
        assert chain.hook_of(chain.breaker, "permits") is chain.breaker.permits

    def test_two_gateways_of_one_scenario_share_nothing(self):
        made = scenario(gateway=EVERYTHING)
        first, second = chain.build(made, 1), chain.build(made, 1)
        assert first.admission is not second.admission
        assert first.targets[0] is not second.targets[0]
        assert first.ready is not second.ready


class TestWaiting:
    """Where calls wait in the gateway as it stands, and that they can leave from there."""

    def everything(self, **fields: Any) -> Any:
        hand = by_hand(**EVERYTHING)
        return hand, hand.start(0.0, **fields)

    def test_at_the_cpu(self):
        hand, c = self.everything(cpu_demand_s=0.5)
        assert (c.state, c.until_s) == ("waiting", 0.5)
        assert hand.depart(c, 0.2).state == "abandoned"
        assert hand.is_idle()

    def test_at_the_look_up_of_the_session(self):
        hand, c = self.everything(lookup_s=0.25)
        assert (c.state, c.until_s) == ("waiting", 0.25)
        hand.depart(c, 0.2)
        assert hand.is_idle()

    def test_behind_an_identical_prompt(self):
        hand, first = self.everything(prompt=7)
        second = hand.start(1.0, prompt=7)
        hand.depart(second, 1.5)
        assert second.state == "abandoned"
        hand.answer(hand.forks(first)[0], 2.0)
        assert (first.state, second.state, hand.is_idle()) == ("ok", "abandoned", True)

    def test_in_the_queue(self):
        hand, first = self.everything()
        second, third = hand.start(1.0), hand.start(1.0)
        hand.depart(second, 1.5)
        assert second.queue_wait_s == 0.5
        hand.answer(hand.forks(first)[0], 2.0)
        assert (second.state, third.admitted) == ("abandoned", True)
        hand.depart(third, 3.0)
        assert hand.is_idle()

    def test_beside_one_attempt_or_two(self):
        for waits_s in (1.0, 6.0):
            hand, c = self.everything()
            if waits_s > c.until_s:
                hand.time_comes(c)
            forks = hand.forks(c)
            assert len(forks) == (2 if waits_s > 5.0 else 1)
            hand.depart(c, waits_s)
            assert [fork.state for fork in forks] == ["abandoned"] * len(forks)
            assert (c.state, hand.is_idle()) == ("abandoned", True)

    def test_between_attempts(self):
        hand, c = self.everything()
        hand.answer(hand.forks(c)[0], 1.0, status=503)
        assert (c.state, c.until_s) == ("waiting", 2.0)
        hand.depart(c, 1.5)
        assert (c.state, c.attempts, hand.is_idle()) == ("abandoned", 1, True)

    def test_at_a_provider(self):
        hand = by_hand(**{name: words for name, words in EVERYTHING.items() if name != "hedge"})
        c = hand.start(0.0)
        assert (c.state, c.performing) == ("performing", True)
        hand.depart(c, 1.5)
        assert (c.state, c.attempts, hand.is_idle()) == ("abandoned", 1, True)
