"""Intervals against scipy, published values, brute force and their own defining equations."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Sequence

import pytest

from scrubber.core.intervals import bootstrap, clopper_pearson, samples_to_clear, tango, tango_score

beta = pytest.importorskip("scipy.stats").beta
Z = 1.959963984540054
GRID = [
    (k, n) for n in (1, 2, 5, 17, 100, 1234, 100_000) for k in sorted({0, 1, 2, n // 3, n // 2, n - 1, n}) if k <= n
]


@pytest.mark.parametrize(("k", "n"), GRID)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_clopper_pearson_agrees_with_the_beta_quantiles(k: int, n: int, confidence: float) -> None:
    tail = (1 - confidence) / 2
    low, high = clopper_pearson(k, n, confidence)
    assert low == pytest.approx(beta.ppf(tail, k, n - k + 1) if k else 0.0, abs=1e-9)
    assert high == pytest.approx(beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0, abs=1e-9)


def test_clopper_pearson_of_known_cases() -> None:
    assert clopper_pearson(0, 400) == (0.0, pytest.approx(0.0091798, abs=1e-7))
    assert clopper_pearson(2, 400)[1] == pytest.approx(0.0179441, abs=1e-7)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(7, 7)[1] == 1.0


@pytest.mark.parametrize(("k", "n", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 0.0), (1, 2, 1.0)])
def test_clopper_pearson_refuses_what_is_no_rate(k: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError):
        clopper_pearson(k, n, confidence)


def test_tango_reproduces_the_airway_example() -> None:
    # Fagerland, Lydersen and Laake 2013 (BMC Medical Research Methodology 13:91): 1, 1, 7, 12 of 21 children.
    low, high = tango(7, 1, 21)
    assert (round(low, 3), round(high, 3)) == (-0.517, -0.026)


def test_tango_is_after_minus_before_and_symmetric() -> None:
    for b, c, n in [(7, 1, 21), (150, 86, 1600), (0, 3, 10), (5, 5, 10)]:
        low, high = tango(b, c, n)
        assert low <= (c - b) / n <= high
        assert tango(c, b, n) == (pytest.approx(-high, abs=1e-12), pytest.approx(-low, abs=1e-12))


@pytest.mark.parametrize("n", [1, 40, 600])
def test_tango_without_discordant_pairs_is_no_point(n: int) -> None:
    half = Z * Z / (n + Z * Z)
    assert tango(0, 0, n) == (pytest.approx(-half, abs=1e-9), pytest.approx(half, abs=1e-9))


def test_tango_at_its_edges() -> None:
    assert tango(0, 0, 0) == (-1.0, 1.0)
    assert tango(0, 20, 20)[1] == pytest.approx(1.0)
    assert tango(20, 0, 20)[0] == pytest.approx(-1.0)
    with pytest.raises(ValueError):
        tango(3, 3, 5)


def score_by_search(only_first: int, only_second: int, n: int, delta: float) -> float:
    """The same statistic with the nuisance rate found by maximising the likelihood step by step."""

    def likelihood(q: float) -> float:
        cells = [(only_first, q), (only_second, q + delta), (n - only_first - only_second, 1 - 2 * q - delta)]
        return sum(count * math.log(p) for count, p in cells if count)

    low, high = max(0.0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12
    for _ in range(200):  # ternary search: the likelihood is concave
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if likelihood(a) > likelihood(b) else (a, high)
    return (only_second - only_first - n * delta) / math.sqrt(n * (low + high + delta * (1 - delta)))


@pytest.mark.parametrize(("b", "c", "n"), [(7, 1, 21), (150, 86, 1600), (2, 9, 40), (1, 0, 600)])
def test_tango_ends_solve_the_score_equation(b: int, c: int, n: int) -> None:
    low, high = tango(b, c, n)
    assert tango_score(b, c, n, low) == pytest.approx(Z, abs=1e-6)
    assert tango_score(b, c, n, high) == pytest.approx(-Z, abs=1e-6)
    assert score_by_search(b, c, n, low) == pytest.approx(Z, abs=1e-4)
    assert score_by_search(b, c, n, high) == pytest.approx(-Z, abs=1e-4)


@pytest.mark.parametrize(("p_first", "p_second"), [(0.1, 0.1), (0.05, 0.15), (0.02, 0.02), (0.3, 0.1)])
def test_tango_covers_the_truth_about_as_often_as_it_says(p_first: float, p_second: float) -> None:
    n, covered = 30, 0.0
    for b, c in itertools.product(range(n + 1), repeat=2):
        if b + c > n:
            continue
        ways = math.comb(n, b) * math.comb(n - b, c)
        chance = ways * p_first**b * p_second**c * (1 - p_first - p_second) ** (n - b - c)
        if chance > 1e-7:
            low, high = tango(b, c, n)
            covered += chance * (low <= p_second - p_first <= high)
    assert 0.925 < covered <= 1.0


def grand_mean(groups: Sequence[Sequence[float]]) -> float:
    return sum(map(sum, groups)) / sum(map(len, groups))


def test_bootstrap_of_independent_values_is_near_the_normal_interval() -> None:
    draw = random.Random(3)
    groups = [[draw.gauss(5, 2)] for _ in range(300)]
    low, high = bootstrap(groups, grand_mean, seed=1)
    assert high - low == pytest.approx(2 * Z * 2 / math.sqrt(300), rel=0.15)
    assert low < grand_mean(groups) < high


def test_bootstrap_resamples_whole_groups() -> None:
    single = [[float(i % 2)] for i in range(64)]
    repeated = [group * 50 for group in single]  # the same evidence, written fifty times
    assert bootstrap(repeated, grand_mean, seed=1) == pytest.approx(bootstrap(single, grand_mean, seed=1))


def test_bootstrap_is_the_same_for_the_same_seed_only() -> None:
    groups = [[float(i)] for i in range(20)]
    assert bootstrap(groups, grand_mean, seed=7) == bootstrap(groups, grand_mean, seed=7)
    assert bootstrap(groups, grand_mean, seed=7) != bootstrap(groups, grand_mean, seed=8)


def test_bootstrap_refuses_no_groups() -> None:
    with pytest.raises(ValueError):
        bootstrap([], grand_mean, seed=1)


def test_bootstrap_of_500_groups_takes_under_a_second() -> None:
    groups = [[random.Random(i).random()] for i in range(500)]
    start = time.process_time()
    bootstrap(groups, grand_mean, seed=1)
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("rate", "limit", "low"), [(0.0, 0.02, 1), (0.01, 0.02, 1), (0.1, 0.15, 1), (1 / 60, 0.02, 6700)]
)
def test_samples_to_clear_is_the_smallest_that_clears(rate: float, limit: float, low: int) -> None:
    def clears(n: int) -> bool:
        return clopper_pearson(math.ceil(rate * n - 1e-9), n)[1] <= limit

    n = samples_to_clear(rate, limit)
    assert n is not None
    assert clears(n)
    assert not any(clears(smaller) for smaller in range(low, n))


@pytest.mark.parametrize(("rate", "limit"), [(0.02, 0.02), (0.5, 0.02), (0.5, 1.0), (-0.1, 0.5), (0.01999999, 0.02)])
def test_samples_to_clear_knows_when_no_number_helps(rate: float, limit: float) -> None:
    assert samples_to_clear(rate, limit) is None
