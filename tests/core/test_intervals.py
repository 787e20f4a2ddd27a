"""Intervals against scipy, published values, brute force and their own defining equations."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrubber.core.intervals import (
    MOST_SAMPLES,
    bootstrap,
    clopper_pearson,
    critical_distance,
    holm,
    if_it_held,
    least_size,
    mover,
    pair_counts,
    rate_counts,
    tango,
    tango_score,
)

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


def test_mover_of_rates_reproduces_newcombes_example() -> None:
    # Newcombe 1998 (Statistics in Medicine 17:873), method 10, 56/70 and 48/80: Wilson intervals, squared and added.
    def wilson(k: int, n: int) -> tuple[float, float, float]:
        middle, half = 2 * k + Z * Z, Z * math.sqrt(Z * Z + 4 * k * (1 - k / n))
        return k / n, (middle - half) / (2 * (n + Z * Z)), (middle + half) / (2 * (n + Z * Z))

    low, high = mover(*wilson(56, 70), *wilson(48, 80))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize(("p", "q"), [(0.01, 0.01), (0.05, 0.02), (0.3, 0.3)])
def test_mover_of_exact_intervals_covers_the_difference_at_least_as_often_as_it_says(p: float, q: float) -> None:
    draw, covered = random.Random(5), 0
    for _ in range(600):
        k, j = (sum(draw.random() < rate for _ in range(120)) for rate in (p, q))
        low, high = mover(k / 120, *clopper_pearson(k, 120), j / 120, *clopper_pearson(j, 120))
        covered += low <= p - q <= high
    assert covered / 600 > 0.935


def test_mover_survives_an_estimate_outside_its_interval() -> None:
    assert mover(0.1, 0.2, 0.3, 0.0, 0.0, 0.0) == (0.1, pytest.approx(0.3))


def test_holm_steps_down_and_stops_at_the_first_that_fails() -> None:
    assert holm([]) == []
    assert holm([Z + 0.01]) == [True]
    # two tests: the farthest must reach 2.2414, the other then 1.96
    assert holm([2.0, 2.3]) == [True, True]
    assert holm([2.0, 2.2]) == [False, False]
    assert holm([1.9, math.inf]) == [False, True]
    assert critical_distance(2) == pytest.approx(2.241402727604947)


def test_holm_refuses_one_of_many_true_hypotheses_no_more_often_than_it_says() -> None:
    draw = random.Random(11)
    wrong = sum(any(holm([draw.gauss(0, 1) for _ in range(8)])) for _ in range(4000))
    assert wrong / 4000 < 0.033


@settings(deadline=None)
@given(st.integers(1, 600), st.data())
def test_counts_are_found_again_in_the_interval_that_was_made_of_them(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert rate_counts(k / n, *clopper_pearson(k, n), n) == k
    lost = data.draw(st.integers(0, n))
    won = data.draw(st.integers(0, n - lost))
    assert pair_counts((won - lost) / n, *tango(lost, won, n), n) == (lost, won)


def test_counts_are_not_read_into_other_intervals() -> None:
    assert rate_counts(0.1, 0.05, 0.2, 100) is None
    assert rate_counts(1.7, 1.6, 1.9, 100) is None
    assert pair_counts(0.1, 0.05, 0.2, 100) is None
    assert pair_counts(0.105, *tango(0, 10, 100), 100) is None
    assert pair_counts(40.0, 30.0, 50.0, 100) is None


def test_if_it_held_is_the_interval_itself_at_the_same_n() -> None:
    for score in ((0.03, *clopper_pearson(3, 100), 100), (-0.02, *tango(5, 3, 100), 100), (1.02, 0.9, 1.2, 100)):
        assert if_it_held(*score)(score[3]) == pytest.approx(score[1:3], abs=1e-6)


def test_if_it_held_makes_the_interval_that_more_of_the_same_would_have() -> None:
    assert if_it_held(0.03, *clopper_pearson(3, 100), 100)(700) == pytest.approx(clopper_pearson(21, 700))
    assert if_it_held(-0.02, *tango(5, 3, 100), 100)(700) == pytest.approx(tango(35, 21, 700))
    # 1.5 successes of 50 are held to be one at the low end and two at the high end
    assert if_it_held(0.03, *clopper_pearson(3, 100), 100)(50) == pytest.approx(
        (clopper_pearson(1, 50)[0], clopper_pearson(2, 50)[1])
    )


def test_if_it_held_narrows_a_bootstrap_as_more_data_would() -> None:
    draw = random.Random(2)
    many = [[draw.expovariate(1)] for _ in range(1600)]
    few = many[:400]
    low, high = if_it_held(grand_mean(few), *bootstrap(few, grand_mean, seed=1), 400)(1600)
    true_low, true_high = bootstrap(many, grand_mean, seed=1)
    assert high - low == pytest.approx(true_high - true_low, rel=0.15)


def test_least_size_is_the_smallest_while_sizes_are_small() -> None:
    assert least_size(lambda n: clopper_pearson(0, n)[1] <= 0.02, 1) == 183
    assert least_size(lambda n: n >= 7, 7) == 7
    assert least_size(lambda n: n >= 5000, 3) == pytest.approx(5000, rel=0.002)
    assert least_size(lambda n: n >= MOST_SAMPLES, 1) == MOST_SAMPLES
    assert least_size(lambda n: False, 1) is None
