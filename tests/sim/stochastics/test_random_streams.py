"""Draws: reproducible, uniform, and independent between purposes and entities."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from sim.stochastics.random_streams import Purpose, child, mix, replication_seed, uniform, uniforms

N = 200_000
# Probability of a false alarm of one statistical check. Seeds are fixed, so a check that passes once passes always.
ALPHA = 1e-4


def test_the_finaliser_is_that_of_splitmix64():
    # First outputs of the reference implementation (https://prng.di.unimi.it/splitmix64.c) from state 1234567.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [child(1234567, n) for n in range(5)] == expected


def test_draws_never_change_between_versions():
    assert uniform(7, Purpose.TTFT, 0, 4711, 2) == 0.48126074512501804
    assert uniform(0, Purpose.ARRIVAL_GAP, 0) == 0.18383979100743952
    assert replication_seed(7, 3) == 3963013949873355510


def test_numbers_of_purposes_never_change():
    kept = {"REPLICATION": 0, "ARRIVAL_GAP": 1, "REQUEST_CLASS": 5, "OUTPUT_TOKENS": 9, "TTFT": 30, "ERROR": 33, "CPU": 60}
    assert {purpose.name: int(purpose) for purpose in Purpose}.items() >= kept.items()
    assert len({int(purpose) for purpose in Purpose}) == len(Purpose.__members__)


def test_a_fresh_process_with_another_hash_seed_draws_the_same():
    code = "from sim.stochastics.random_streams import uniform; print(uniform(7, 30, 4711, 2).hex())"
    run = subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": "99"}, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == uniform(7, 30, 4711, 2).hex()


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32])
def test_arrays_and_scalars_agree_bit_for_bit(dtype):
    a = np.array([0, 1, 2, 3, 2**31 - 1] if dtype is not np.uint64 else [0, 1, 2, 2**63, 2**64 - 1], dtype)
    b = np.arange(5, dtype=dtype)
    assert uniforms(7, Purpose.THINK, a, b).tolist() == [uniform(7, Purpose.THINK, int(x), int(y)) for x, y in zip(a, b, strict=True)]
    assert uniforms(7, Purpose.THINK, 5, b, 9).tolist() == [uniform(7, Purpose.THINK, 5, int(y), 9) for y in b]


def test_arrays_longer_than_a_block_agree_with_their_parts():
    n = np.arange(100_003)
    whole = uniforms(7, Purpose.TURNS, n)
    assert np.array_equal(whole[70_000:], uniforms(7, Purpose.TURNS, n[70_000:]))
    assert whole[-1] == uniform(7, Purpose.TURNS, 100_002)


def test_entities_broadcast():
    grid = uniforms(7, Purpose.THINK, np.arange(3)[:, None], np.arange(4))
    assert grid.shape == (3, 4)
    assert grid[2, 1] == uniform(7, Purpose.THINK, 2, 1)
    assert uniforms(7, Purpose.THINK).shape == ()
    assert uniforms(7, Purpose.THINK, np.arange(0)).shape == (0,)


def test_negative_entities_count_as_their_twos_complement():
    assert uniform(7, Purpose.TURNS, -5) == uniforms(7, Purpose.TURNS, np.array([-5]))[0] == uniform(7, Purpose.TURNS, 2**64 - 5)
    assert uniform(7, Purpose.TURNS, -5) != uniform(7, Purpose.TURNS, 5)


@pytest.mark.parametrize("draw", [uniform, uniforms])
def test_entities_that_are_not_integers_are_refused(draw):
    with pytest.raises(TypeError):
        draw(7, Purpose.TURNS, 1.0)
    with pytest.raises(TypeError):
        uniforms(7, Purpose.TURNS, np.array([1.0]))


def test_the_order_and_the_number_of_words_matter():
    paths = [(7, 1, 1, 2), (7, 1, 2, 1), (7, 2, 1, 1), (1, 7, 1, 2), (7, 1, 1), (7, 1, 1, 0)]
    assert len({uniform(*path) for path in paths}) == len(paths)
    assert uniform(0, 0, 0) != uniform(0, 0, 0, 0) != uniform(0, 0)
    grid = uniforms(7, 1, np.arange(400)[:, None], np.arange(400))
    assert len(np.unique(grid)) == grid.size


def test_values_lie_strictly_between_0_and_1():
    values = uniforms(7, Purpose.TURNS, np.arange(N))
    assert values.min() > 0
    assert values.max() < 1
    from sim.stochastics.random_streams import unit

    assert 0 < unit(np.uint64(0)) < unit(np.uint64(2**64 - 1)) < 1
    assert 1 - unit(np.uint64(2**64 - 1)) == unit(np.uint64(0))


def sequences():
    """Every way in which neighbouring draws could resemble each other."""
    n = np.arange(N)
    return {
        "entity": uniforms(7, Purpose.TURNS, n),
        "large entity": uniforms(7, Purpose.TURNS, n + 2**40),
        "negative entity": uniforms(7, Purpose.TURNS, -n),
        "second entity": uniforms(7, Purpose.TURNS, 3, n),
        "first of two": uniforms(7, Purpose.TURNS, n, 3),
        "even steps": uniforms(7, Purpose.TURNS, n * 1024),
        "seed": np.array([uniform(seed, Purpose.TURNS, 3) for seed in range(N // 10)]),
        "purpose": np.array([uniform(7, purpose, 3) for purpose in range(N // 10)]),
        "replication": np.array([uniform(replication_seed(7, r), Purpose.TURNS, 3) for r in range(N // 10)]),
    }


@pytest.mark.parametrize(("name", "values"), sequences().items())
def test_draws_are_uniform_and_serially_independent(name, values):
    assert stats.kstest(values, "uniform").pvalue > ALPHA
    counts = np.bincount((values * 256).astype(int), minlength=256)
    assert stats.chisquare(counts).pvalue > ALPHA
    for lag in (1, 2, 3, 64):
        assert abs(correlation(values[:-lag], values[lag:])) < bound(len(values) - lag)
    pairs = np.histogram2d(values[:-1:2], values[1::2], bins=16, range=((0, 1), (0, 1)))[0]
    assert stats.chisquare(pairs.ravel()).pvalue > ALPHA


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (lambda n: uniforms(7, 4, n), lambda n: uniforms(7, 5, n)),
        (lambda n: uniforms(7, 4, n), lambda n: uniforms(8, 4, n)),
        (lambda n: uniforms(7, 4, n), lambda n: uniforms(replication_seed(7, 1), 4, n)),
        (lambda n: uniforms(7, 4, n, 0), lambda n: uniforms(7, 4, n, 1)),
        (lambda n: uniforms(7, 4, n, 0), lambda n: uniforms(7, 4, 0, n)),
        (lambda n: uniforms(7, 4, n), lambda n: uniforms(7, 4, n, 0)),
    ],
    ids=["purposes", "seeds", "replications", "occurrences", "swapped", "extended"],
)
def test_streams_are_independent_of_each_other(a, b):
    x, y = a(np.arange(1, N)), b(np.arange(1, N))
    assert abs(correlation(x, y)) < bound(len(x))
    assert stats.chisquare(np.histogram2d(x, y, bins=16, range=((0, 1), (0, 1)))[0].ravel()).pvalue > ALPHA
    assert stats.chisquare(np.bincount(((x + y) % 1 * 64).astype(int), minlength=64)).pvalue > ALPHA


def test_every_bit_of_a_draw_is_fair():
    bits = (uniforms(7, Purpose.TURNS, np.arange(N)) * 2**53).astype(np.uint64)
    for bit in range(1, 53):  # bit 0 is always set
        ones = int(((bits >> np.uint64(bit)) & np.uint64(1)).sum())
        assert abs(ones - N / 2) < stats.norm.isf(ALPHA / 2) * np.sqrt(N) / 2


def test_one_flipped_bit_of_an_entity_flips_half_of_the_output():
    for bit in range(63):
        flips = [(child(99, n) ^ child(99, n ^ (1 << bit))).bit_count() for n in range(2000)]
        assert abs(np.mean(flips) - 32) < stats.norm.isf(ALPHA / 126) * 4 / np.sqrt(2000)


def test_replication_0_is_the_scenarios_own_seed():
    assert replication_seed(7, 0) == 7
    seeds = [replication_seed(7, r) for r in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_finaliser_compiles_as_it_stands():
    numba = pytest.importorskip("numba")
    compiled = numba.njit(mix)
    for z in (0, 1, 2**63 + 12345, 2**64 - 1):
        assert int(compiled(np.uint64(z))) == mix(z)


def correlation(x, y):
    return float(np.corrcoef(x, y)[0, 1])


def bound(n):
    """|correlation| of n independent pairs stays below this but with probability ALPHA."""
    return float(stats.norm.isf(ALPHA / 2) / np.sqrt(n))
