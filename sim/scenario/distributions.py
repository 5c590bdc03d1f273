"""Distributions as a scenario writes them, and their means. ``sim.stochastics.distributions`` turns them into numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, model_validator

from sim.scenario.units import DURATION, PLAIN, THOUSANDS, finite, parse_duration

if TYPE_CHECKING:
    import numpy as np

Z99 = 2.3263478740408408  # the standard normal's 99th percentile


def parse_quantity(value: object) -> float:
    """A duration (``250ms``, kept as Seconds, so that its owner can tell) or a plain number, such as ``8k``; never negative."""
    if isinstance(value, str):
        found = PLAIN.fullmatch(value.strip())
        return finite(float(found[1]) * THOUSANDS[found[2]]) if found else parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("expected a number, or a duration with its unit such as 250ms")
    if finite(value) < 0:
        raise ValueError("expected a number that is not negative")
    return value


def write_quantity(value: float) -> float | str:
    from sim.scenario.units import Seconds

    return f"{value:.12g}s" if isinstance(value, Seconds) else value


Quantity = Annotated[
    float,
    PlainValidator(parse_quantity, json_schema_input_type=float | Annotated[str, Field(pattern=f"^({DURATION.pattern}|{PLAIN.pattern})$")]),
    PlainSerializer(write_quantity, when_used="json"),
]


class Law(BaseModel):
    """One distribution. ``quantities()`` are the numbers in it that carry its unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def quantities(self) -> Iterator[float]:
        for name, field in type(self).model_fields.items():
            if field.annotation is float and any(isinstance(mark, PlainValidator) for mark in field.metadata):
                yield getattr(self, name)


class Constant(Law):
    """Always the same value."""

    SHORT: ClassVar[str] = "value"
    kind: Literal["constant"]
    value: Quantity = Field(description="the value: a duration such as 250ms, or a plain number")


class Exponential(Law):
    """Memoryless times: many are short, few are long."""

    kind: Literal["exponential"]
    mean: Quantity = Field(description="its mean: a duration, or a plain number")


class Geometric(Law):
    """Whole numbers 1, 2, 3 … with this mean (≥ 1)."""

    kind: Literal["geometric"]
    mean: Annotated[float, Field(ge=1)] = Field(description="its mean, a plain number of at least 1")


class Lognormal(Law):
    """By its median and either its 99th percentile or the standard deviation of its logarithm."""

    kind: Literal["lognormal"]
    median: Quantity = Field(description="half of the values lie below: a duration, or a plain number")
    p99: Quantity | None = Field(None, description="99 % of the values lie below, in the median's unit; default: follows from sigma")
    sigma: Annotated[float, Field(ge=0, le=10)] | None = Field(
        None, description="standard deviation of the natural logarithm, a plain number; default: follows from p99"
    )

    @model_validator(mode="after")
    def one_spread(self) -> Lognormal:
        if (self.p99 is None) == (self.sigma is None):
            raise ValueError("expected a spread: either p99 or sigma")
        if self.median <= 0 or (self.p99 is not None and self.p99 < self.median):
            raise ValueError("expected 0 < median <= p99")
        return self

    def quantities(self) -> Iterator[float]:
        yield self.median
        if self.p99 is not None:
            yield self.p99


class Gamma(Law):
    """Positive values of a given spread: cv below 1 is narrower than exponential, above 1 wider."""

    kind: Literal["gamma"]
    mean: Quantity = Field(description="its mean: a duration, or a plain number")
    cv: Annotated[float, Field(gt=0, le=100)] = Field(description="standard deviation / mean, a plain number")


class Weibull(Law):
    """Lifetimes: shape below 1 has a long tail, 1 is exponential, above 1 wears out."""

    kind: Literal["weibull"]
    scale: Quantity = Field(description="63 % of the values lie below: a duration, or a plain number")
    shape: Annotated[float, Field(gt=0, le=100)] = Field(description="Weibull's k, a plain number")


class Uniform(Law):
    """Any value between two bounds alike."""

    kind: Literal["uniform"]
    low: Quantity = Field(description="smallest value: a duration, or a plain number")
    high: Quantity = Field(description="largest value, in the same unit")

    @model_validator(mode="after")
    def ordered(self) -> Uniform:
        if self.low > self.high:
            raise ValueError("expected low <= high")
        return self


class Empirical(Law):
    """Recorded values, each as likely as the others: given here, or one a line in a text file relative to the scenario."""

    kind: Literal["empirical"]
    values: Annotated[tuple[Quantity, ...], Field(min_length=1, max_length=1_000_000)] | None = Field(
        None, description="the recorded values: durations, or plain numbers; default: those in file"
    )
    file: str | None = Field(None, description="a text file of one value a line, relative to this one; default: values stand here")

    @model_validator(mode="after")
    def one_source(self) -> Empirical:
        if (self.values is None) == (self.file is None):
            raise ValueError("expected either values or file")
        return self

    def quantities(self) -> Iterator[float]:
        yield from self.values or ()


class Part(BaseModel):
    """One law of a mixture."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    weight: Annotated[float, Field(gt=0)] = Field(description="how often it is this one, a plain number relative to the other weights")
    of: Distribution = Field(description="the law")


class Mixture(Law):
    """One of several laws, chosen by weight."""

    kind: Literal["mixture"]
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=100)] = Field(description="the laws with their weights")

    def quantities(self) -> Iterator[float]:
        for part in self.parts:
            yield from part.of.quantities()


class Shifted(Law):
    """Another law, moved up by a constant."""

    kind: Literal["shifted"]
    by: Quantity = Field(description="what is added to each value: a duration, or a plain number")
    of: Distribution = Field(description="the law that is moved")

    def quantities(self) -> Iterator[float]:
        yield self.by
        yield from self.of.quantities()


Distribution = Annotated[
    Constant | Exponential | Geometric | Lognormal | Gamma | Weibull | Uniform | Empirical | Mixture | Shifted, Field(discriminator="kind")
]
Part.model_rebuild()
Mixture.model_rebuild()
Shifted.model_rebuild()


def mean(law: Distribution) -> float:
    """The law's mean, in its own unit; inf where it exceeds the range of a double."""
    return MEANS[type(law)](law)


def sigma(law: Lognormal) -> float:
    """Standard deviation of the logarithm: as given, or from the 99th percentile, ln(p99 / median) / 2.3263…"""
    return law.sigma if law.sigma is not None else math.log(law.p99 / law.median) / Z99  # type: ignore[operator]


def recorded(law: Empirical) -> np.ndarray:
    import numpy as np  # late: reading a scenario needs none of it

    if law.values is None:
        raise ValueError(f"the values of {law.file} are taken in when the scenario is loaded from its file")
    return np.array(law.values, np.float64)


def weibull_mean(law: Weibull) -> float:
    try:
        return law.scale * math.gamma(1 + 1 / law.shape)
    except OverflowError:
        return math.inf


def mixture_mean(law: Mixture) -> float:
    return sum(part.weight * mean(part.of) for part in law.parts) / sum(part.weight for part in law.parts)


MEANS: dict[type, Callable[..., float]] = {
    Constant: lambda law: float(law.value),
    Exponential: lambda law: float(law.mean),
    Geometric: lambda law: law.mean,
    Lognormal: lambda law: law.median * math.exp(sigma(law) ** 2 / 2),
    Gamma: lambda law: float(law.mean),
    Weibull: weibull_mean,
    Uniform: lambda law: (law.low + law.high) / 2,
    Empirical: lambda law: float(recorded(law).mean()),
    Mixture: mixture_mean,
    Shifted: lambda law: law.by + mean(law.of),
}
