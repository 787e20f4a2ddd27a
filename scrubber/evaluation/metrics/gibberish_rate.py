"""The share of answers that are empty, go round in circles or are no text (``gibberish_rate``), some of which parses."""

from __future__ import annotations

from collections.abc import Sequence

from scrubber.core.intervals import clopper_pearson
from scrubber.core.types import Score, Stage, Trial

LEAST_LENGTH = 32  # characters of an answer that can be told to repeat itself
GRAM = 6  # characters: what is counted once or many times
LEAST_NEW = 0.3  # share of an answer's grams that differ; of a hundred lines of code about nine tenths do
MOST_ODD = 0.1  # share of characters that no source code has


def is_gibberish(text: str) -> bool:
    """Nothing but white space; or control and replacement characters; or the same few characters over and over."""
    shown = text.strip()
    if not shown:
        return True
    odd = sum(character == "\ufffd" or not (character.isprintable() or character.isspace()) for character in shown)
    if odd > MOST_ODD * len(shown):
        return True
    grams = [shown[i : i + GRAM] for i in range(len(shown) - GRAM + 1)]
    return len(shown) >= LEAST_LENGTH and len(set(grams)) < LEAST_NEW * len(grams)


def score(trials: Sequence[Trial], *, stage: Stage, subset: str) -> Score:
    """With its Clopper-Pearson interval; n counts values, by subject: one is gibberish where any answer about it is.

    ``trials`` are of the probe "line_completion". The rules are ours, and see no word salad: parse_rate and perplexity do.
    """
    found: dict[str, bool] = {}
    for trial in trials:
        found[trial.subject] = found.get(trial.subject, False) or is_gibberish(trial.completion)
    if not found:
        return Score("gibberish_rate", stage, subset, None, None, None, 0, "nothing was asked")
    count, n = sum(found.values()), len(found)
    return Score("gibberish_rate", stage, subset, count / n, *clopper_pearson(count, n), n)
