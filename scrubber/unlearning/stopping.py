"""When to stop: the CodeEraser paper's rule, on thresholds that say what "never seen" looks like; and a fence of utility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from scrubber.core.train import Decision, StoppingRule
from scrubber.core.types import Score


@dataclass
class ThresholdRule:
    """Stops when memorization accuracy (MA) is under its threshold, and EL_10 is too or stopped falling.

    As the published code of arXiv 2509.13755 does: EL_10 is dear, so a check gives it only once MA is near (see
    ``near``), and ``patience`` checks without a lower one end it; the best weights are those of lowest MA, and of
    lowest EL_10 too once that is measured. The thresholds are means over values that the model never saw; ours
    stand behind the same templates as the values to forget. ``hold`` is ours: the rule must be met at so many checks in
    a row, because a model that has just fallen under a threshold is in motion, and its programming returns a little later
    (docs/log.md). 1 is the paper's rule.
    """

    memorization_accuracy: float
    extraction_likelihood: float
    margin: float = 0.1
    patience: int = 5
    hold: int = 1
    likelihood_counts: bool = True  # off: MA alone decides
    _best: tuple[float, float] = (float("inf"), float("inf"))
    _lowest_el: float = float("inf")
    _since: int = field(default=0)
    _met: int = field(default=0)

    def near(self, accuracy: float) -> bool:
        """Whether EL_10 is worth its price yet."""
        return self.likelihood_counts and accuracy <= self.memorization_accuracy + self.margin

    def __call__(self, step: int, scores: Sequence[Score]) -> Decision:
        value = {score.metric: score.value for score in scores}
        accuracy = value.get("memorization_accuracy")
        likelihood = value.get("extraction_likelihood_10")
        if accuracy is None:
            return Decision(best=False, stop=False)
        if not self.likelihood_counts:
            under = accuracy <= self.memorization_accuracy
            self._met = self._met + 1 if under else 0
            best = accuracy < self._best[0]
            self._best = min(self._best, (accuracy, float("inf")))
            return Decision(best=best or under, stop=self._met >= self.hold)
        if likelihood is None:
            self._met = 0
            best = accuracy < self._best[0] and self._best[1] == float("inf")
            if best:
                self._best = (accuracy, float("inf"))
            return Decision(best=best, stop=False)
        best = self._best[1] == float("inf") or (accuracy <= self._best[0] and likelihood <= self._best[1])
        if best:
            self._best = (accuracy, likelihood)
        self._since = 0 if likelihood < self._lowest_el else self._since + 1
        self._lowest_el = min(self._lowest_el, likelihood)
        # "at or below", as the paper's text has it: its code's "below" can never be reached where unseen values score 0
        under = accuracy <= self.memorization_accuracy
        quiet = likelihood <= self.extraction_likelihood or self._since >= self.patience
        self._met = self._met + 1 if under and quiet else 0
        # a tie is no reason to keep older, less forgetful weights when the rule is met
        return Decision(best=best or (under and quiet), stop=self._met >= self.hold)


@dataclass
class Fenced:
    """A rule within a budget: outside it no weights are the best, and after ``patience`` checks outside in a row it stops.

    The budget is the most that ``perplexity_ratio`` may be. Without that score there is no fence. Ours.
    """

    rule: StoppingRule
    budget: float
    patience: int = 5
    _outside: int = 0

    def __call__(self, step: int, scores: Sequence[Score]) -> Decision:
        decision = self.rule(step, scores)
        ratio = next((score.value for score in scores if score.metric == "perplexity_ratio"), None)
        if ratio is None or ratio <= self.budget:
            self._outside = 0
            return decision
        self._outside += 1
        return Decision(best=False, stop=self._outside >= self.patience)
