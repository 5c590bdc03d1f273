"""Distributions as a scenario writes them. ``sim.distributions`` turns them into numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, model_validator

from sim.units import finite, parse_duration


def parse_quantity(value: object) -> float:
    """A duration (``250ms``, kept as Seconds, so that its owner can tell) or a plain number; never negative."""
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("expected a number, or a duration with its unit such as 250ms")
    if finite(value) < 0:
        raise ValueError("expected a number that is not negative")
    return value


def write_quantity(value: float) -> float | str:
    from sim.units import Seconds

    return f"{value:.12g}s" if isinstance(value, Seconds) else value


Quantity = Annotated[
    float, PlainValidator(parse_quantity, json_schema_input_type=float | str), PlainSerializer(write_quantity, when_used="json")
]


class Law(BaseModel):
    """One distribution. ``quantities()`` are the numbers in it that carry its unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def quantities(self) -> Iterator[float]:
        for name, field in type(self).model_fields.items():
            if field.annotation is float and any(isinstance(mark, PlainValidator) for mark in field.metadata):
                yield getattr(self, name)


class Constant(Law):
    kind: Literal["constant"]
    value: Quantity


class Exponential(Law):
    kind: Literal["exponential"]
    mean: Quantity


class Geometric(Law):
    """Whole numbers 1, 2, 3 … with this mean (≥ 1)."""

    kind: Literal["geometric"]
    mean: Annotated[float, Field(ge=1)]


class Lognormal(Law):
    """By its median and either its 99th percentile or the standard deviation of its logarithm."""

    kind: Literal["lognormal"]
    median: Quantity
    p99: Quantity | None = None
    sigma: Annotated[float, Field(ge=0, le=10)] | None = None

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
    kind: Literal["gamma"]
    mean: Quantity
    cv: Annotated[float, Field(gt=0, le=100)]


class Weibull(Law):
    kind: Literal["weibull"]
    scale: Quantity
    shape: Annotated[float, Field(gt=0, le=100)]


class Uniform(Law):
    kind: Literal["uniform"]
    low: Quantity
    high: Quantity

    @model_validator(mode="after")
    def ordered(self) -> Uniform:
        if self.low > self.high:
            raise ValueError("expected low <= high")
        return self


class Empirical(Law):
    """Recorded values, each as likely as the others: given here, or one a line in a text file relative to the scenario."""

    kind: Literal["empirical"]
    values: Annotated[tuple[Quantity, ...], Field(min_length=1, max_length=1_000_000)] | None = None
    file: str | None = None

    @model_validator(mode="after")
    def one_source(self) -> Empirical:
        if (self.values is None) == (self.file is None):
            raise ValueError("expected either values or file")
        return self

    def quantities(self) -> Iterator[float]:
        yield from self.values or ()


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    weight: Annotated[float, Field(gt=0)]
    of: Distribution


class Mixture(Law):
    """One of several laws, chosen by weight."""

    kind: Literal["mixture"]
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=100)]

    def quantities(self) -> Iterator[float]:
        for part in self.parts:
            yield from part.of.quantities()


class Shifted(Law):
    """Another law, moved up by a constant."""

    kind: Literal["shifted"]
    by: Quantity
    of: Distribution

    def quantities(self) -> Iterator[float]:
        yield self.by
        yield from self.of.quantities()


Distribution = Annotated[
    Constant | Exponential | Geometric | Lognormal | Gamma | Weibull | Uniform | Empirical | Mixture | Shifted, Field(discriminator="kind")
]
Part.model_rebuild()
Mixture.model_rebuild()
Shifted.model_rebuild()
