"""The mocks of a calibration: a scenario's providers, models and keys, that answer at once, have no limits, and fail only when told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from loadtest.calibration.bench import TOKEN_S, TTFT_S
from sim.gateway.language import load
from sim.scenario.load import Loaded

ERROR_AFTER = "5ms"


def probe_scenario(loaded: Loaded, folder: Path) -> Loaded:
    """Written to ``folder``; its routing is the scenario's, because every request class needs one."""
    document = loaded.tree()
    model = {"ttft": f"{TTFT_S * 1e3:g}ms", "per_token": f"{TOKEN_S * 1e3:g}ms", "price": {"input": 0, "output": 0}}
    providers: dict[str, Any] = {
        name: {
            "dialect": provider["dialect"], "keys": provider["keys"], "models": dict.fromkeys(provider["models"], model),
            "errors": {"rate": 0, "after": ERROR_AFTER},
        }
        for name, provider in document["providers"].items()
    }  # fmt: skip
    needs = dict.fromkeys(each.get("needs") for each in document["workload"]["requests"])
    classes = [
        {"name": f"probe-{number}", "share": 1 / len(needs), "tokens": {"input": 12, "output": 1}, **({"needs": need} if need else {})}
        for number, need in enumerate(needs)
    ]
    probe = {
        "tenfold": 1, "name": "calibration", "workload": {"arrivals": "1/s", "duration": "1h", "requests": classes},
        "gateway": {"routing": document["gateway"]["routing"], "fallback": []}, "providers": providers,
    }  # fmt: skip
    path = folder / "mocks.yaml"
    path.write_text(yaml.safe_dump(probe, sort_keys=False), encoding="utf-8")
    probed = load(path)
    path.write_text(probed.yaml_text, encoding="utf-8")
    return probed
