"""What scenario models are made of: strict, frozen, and with quantities as a scenario writes them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from sim.scenario.distributions import Distribution
from sim.scenario.units import DURATION, PERCENT, RATE, Rate, Seconds, parse_duration, parse_rate, parse_share


class Model(BaseModel):
    """``SHORT``: the key whose value may stand for the whole mapping. ``FREE_KEYS``: the field that holds the keys its author invents."""

    SHORT: ClassVar[str] = ""
    FREE_KEYS: ClassVar[str] = ""
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration, json_schema_input_type=Annotated[str, Field(pattern=f"^{DURATION.pattern}$")] | Literal[0]),
    PlainSerializer(lambda value: f"{value:.12g}s", return_type=str, when_used="json"),
]
Warmup = Annotated[
    float | Literal["auto"],
    BeforeValidator(
        lambda value: value if value == "auto" else parse_duration(value),
        json_schema_input_type=Annotated[str, Field(pattern=f"^{DURATION.pattern}$")] | Literal[0, "auto"],
    ),
    PlainSerializer(lambda value: value if value == "auto" else f"{value:.12g}s", return_type=str, when_used="json"),
]
RateLimit = Annotated[
    Rate,
    BeforeValidator(parse_rate, json_schema_input_type=Annotated[str, Field(pattern=f"^{RATE.pattern}$")]),
    PlainSerializer(str, return_type=str, when_used="json"),
]
Percent = Annotated[str, Field(pattern=f"^{PERCENT.pattern}$")]
Share = Annotated[
    float, Field(ge=0, le=1), BeforeValidator(parse_share, json_schema_input_type=Annotated[float, Field(ge=0, le=1)] | Percent)
]
Ratio = Annotated[
    float, Field(ge=0, le=10), BeforeValidator(parse_share, json_schema_input_type=Annotated[float, Field(ge=0, le=10)] | Percent)
]
Count = Annotated[int, Field(ge=1, le=10**9)]
Room = Annotated[int, Field(ge=0)] | Literal["unlimited"]
"""For those that wait."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=100)]
Target = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=200)]


def in_seconds(value: Distribution) -> Distribution:
    if any(not isinstance(quantity, Seconds) and quantity != 0 for quantity in value.quantities()):
        raise ValueError("expected durations with their units, such as 250ms or 10s")
    return value


def in_counts(value: Distribution) -> Distribution:
    if any(isinstance(quantity, Seconds) and quantity != 0 for quantity in value.quantities()):
        raise ValueError("expected plain numbers here, not durations")
    return value


Durations = Annotated[Distribution, AfterValidator(in_seconds)]
Counts = Annotated[Distribution, AfterValidator(in_counts)]
