"""The frontier and the reconstructed PDR against brute force and small cases that can be drawn on paper."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Report, Score, Verdict
from scrubber.pipelines.frontier import Run, dominance, dominates, frontier, pdr, runs, table, to_json


def run(leak: float, utility: float, method: str = "ga", name: str = "run") -> Run:
    return Run(
        name,
        method,
        Score("leak_rate", "after", "audited", leak, leak, leak, 400),
        Score("pass_at_1", "after", "micro", utility, utility, utility, 600),
        "passed",
    )


def report(leak: float | None, utility: float | None, method: str = "ga", name: str = "run") -> Report:
    scores = (
        Score("leak_rate", "before", "audited", 1.0, 1.0, 1.0, 400),
        Score("leak_rate", "after", "audited", leak, leak, leak, 400),
        Score("pass_at_1", "after", "micro", utility, utility, utility, 600),
    )
    config = {"unlearn.method": method} if method else {}
    return Report(name, Verdict("undecided", ()), scores, "standard", config, {}, {}, {}, 0, {}, ())


POINTS = st.lists(
    st.builds(run, st.sampled_from([0.0, 0.1, 0.2, 0.5]), st.sampled_from([0.0, 0.3, 0.6]), st.sampled_from("abc")),
    max_size=12,
)


@given(POINTS)
def test_the_frontier_is_what_none_dominates_and_dominates_all_the_rest(points: list[Run]) -> None:
    best = frontier(points)
    assert bool(best) == bool(points)
    assert not any(dominates(a, b) for a in best for b in best)
    assert all(one in best or any(dominates(b, one) for b in best) for one in points)
    assert [b.forgotten for b in best] == sorted(b.forgotten for b in best)


@given(POINTS, POINTS)
def test_pdr_is_a_share_of_the_second_and_cannot_be_whole_both_ways(first: list[Run], second: list[Run]) -> None:
    one, other = pdr(first, second), pdr(second, first)
    assert (one is None, other is None) == (not second, not first)
    if one is not None and other is not None:
        assert 0 <= one <= 1
        assert one < 1 or other < 1
        assert one == sum(1 for b in second if [a for a in first if dominates(a, b)]) / len(second)


def test_a_run_does_not_dominate_its_equal() -> None:
    assert not dominates(run(0.1, 0.5), run(0.1, 0.5))
    assert dominates(run(0.1, 0.5), run(0.2, 0.5))
    assert not dominates(run(0.0, 0.1), run(1.0, 0.6))


def test_pdr_is_averaged_over_the_other_methods_and_mirrored() -> None:
    points = [run(0.1, 0.6, "prod"), run(0.3, 0.5, "ga"), run(0.0, 0.2, "ga"), run(0.05, 0.7, "npo")]
    prod, ga, npo = dominance(points)
    assert (prod.method, prod.points, prod.value, prod.mirrored) == ("prod", 1, 0.25, 0.5)
    assert (ga.value, ga.mirrored) == (0.0, 0.5)
    assert (npo.value, npo.mirrored) == (0.75, 0.0)
    (alone,) = dominance([run(0.1, 0.6)])
    assert (alone.value, alone.mirrored) == (None, None)


def test_runs_are_read_from_reports_by_their_scores_after() -> None:
    made = runs([report(0.02, 0.6, "prod"), report(0.5, 0.1, "", "by hand")], values="audited", tasks="micro")
    assert [(one.method, one.forgotten, one.kept) for one in made] == [("prod", 0.98, 0.6), ("by hand", 0.5, 0.1)]


@pytest.mark.parametrize(("leak", "utility"), [(None, 0.5), (0.1, None), (float("nan"), 0.5)])
def test_a_run_that_was_not_scored_is_named_and_not_left_out(leak: float | None, utility: float | None) -> None:
    with pytest.raises(AskedWrongly, match=r"half done \(number 2\)"):
        runs([report(0.1, 0.5), report(leak, utility, name="half done")], values="audited", tasks="micro")


def test_what_is_written_marks_the_frontier_and_calls_pdr_reconstructed() -> None:
    points = [run(0.1, 0.6, "prod", "good"), run(0.3, 0.5, "ga", "bad")]
    written = json.loads(json.dumps(to_json(points)))
    assert [(row["name"], row["frontier"]) for row in written["runs"]] == [("good", True), ("bad", False)]
    assert written["pdr_reconstructed"][0] == {"method": "prod", "points": 1, "value": 1.0, "mirrored": 0.0}
    text = table(points)
    assert [line[0] for line in text.splitlines()[1:3]] == [" ", "*"]
    assert "our reconstruction" in text
    assert "prod: 1.00 (0.00), runs: 1" in text
    assert "\x1b" not in table([points[0]._replace(name="a\x1b[2J")])
