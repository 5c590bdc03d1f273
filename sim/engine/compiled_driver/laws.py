"""Laws compiled: one uniform in, one value out, equal to ``sim.stochastics.distributions`` but for the last bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sim.engine.compiled_driver.gamma import gamma_quantile
from sim.engine.compiled_driver.law_tables import (
    CONSTANT,
    EXPONENTIAL,
    GAMMA,
    GEOMETRIC,
    LOGNORMAL,
    MIXTURE,
    SHIFTED,
    UNIFORM,
    WEIBULL,
)
from sim.engine.compiled_driver.numbing import apart, is_there, jitable, means
from sim.stochastics.distributions import SMALLEST

# Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37 (1988): routine PPND16, relative
# accuracy about 1e-16. Highest power first.
CENTRAL = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4, 1.3731693765509461125e4,
     1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4, 5.3941960214247511077e3,
     6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
MIDDLE = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0, 3.64784832476320460504e0,
     5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip


@jitable
def ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: float) -> float:
    above, below = coefficients
    top = bottom = 0.0
    for power in range(8):
        top = top * x + above[power]
        bottom = bottom * x + below[power]
    return top / bottom


@jitable
def normal_quantile(u: float) -> float:
    """The standard normal's inverse distribution function."""
    q = u - 0.5
    if abs(q) <= 0.425:
        return q * ratio(CENTRAL, 0.180625 - q * q)
    r = math.sqrt(-math.log(u if q < 0.0 else 1.0 - u))
    tail = ratio(MIDDLE, r - 1.6) if r <= 5.0 else ratio(FAR, r - 5.0)
    return -tail if q < 0.0 else tail


def gamma_of(draws: Any, shape: float, u: float) -> float:
    raise NotImplementedError


@means(gamma_of)
def compiled_gamma_of(draws: Any, shape: float, u: float) -> Callable[..., Any]:
    return (lambda draws, shape, u: gamma_quantile(shape, u)) if is_there(draws, "gamma") else lambda draws, shape, u: 0.0


@apart
def draw(draws: Any, number: int, u: float) -> float:
    """The quantile at ``u`` of law ``number``; compound laws are followed to the simple one at their end."""
    laws, numbers, moved = draws.laws, draws.numbers, 0.0
    while True:
        law = laws[number]
        if law.kind == SHIFTED:
            moved += law.a
            number = law.first
        elif law.kind == MIXTURE:
            part = 0
            while part < law.count - 1 and numbers[law.first + part] <= u:
                part += 1
            start = numbers[law.first + part - 1] if part > 0 else 0.0
            u = min(max((u - start) / (numbers[law.first + part] - start), SMALLEST), 1.0 - SMALLEST)
            number = int(numbers[law.first + law.count + part])
        else:
            break
    if law.kind == LOGNORMAL:
        value = law.a * math.exp(law.b * normal_quantile(u))
    elif law.kind == CONSTANT:
        value = law.a
    elif law.kind == EXPONENTIAL:
        value = -law.a * math.log1p(-u)
    elif law.kind == GEOMETRIC:
        value = 1.0 if law.a == 1.0 else 1.0 + math.floor(math.log1p(-u) / law.b)
    elif law.kind == WEIBULL:
        value = law.a * (-math.log1p(-u)) ** law.b
    elif law.kind == UNIFORM:
        value = law.a + law.b * u
    elif law.kind == GAMMA:
        value = law.a * gamma_of(draws, law.b, u)
    else:  # EMPIRICAL
        value = numbers[law.first + int(u * law.count)]
    return moved + value


@jitable
def normal_below(x: float) -> float:
    """The standard normal's distribution function."""
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


def coupled(draws: Any, u: float, v: float, correlation: float) -> float:
    raise NotImplementedError


@means(coupled)
def compiled_coupled(draws: Any, u: float, v: float, correlation: float) -> Callable[..., Any]:
    if is_there(draws, "coupled"):
        return lambda draws, u, v, correlation: couple(u, v, correlation)
    return lambda draws, u, v, correlation: v


@apart
def couple(u: float, v: float, correlation: float) -> float:
    """``sim.provider.draws.coupled`` of one pair."""
    score = correlation * normal_quantile(u) + math.sqrt(1.0 - correlation * correlation) * normal_quantile(v)
    return min(max(normal_below(score), SMALLEST), 1.0 - SMALLEST)
