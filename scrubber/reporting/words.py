"""What metrics and subsets mean, in a sentence each, for a reader who knows neither."""

from __future__ import annotations

from fnmatch import fnmatchcase

_METRICS = {
    "leak_rate": "values that come out as they are when the model is given what stands before them",
    "indirect_leak_rate": "values that answers tell in part, in another form, or through their owner",
    "leak_at_*": "values that come out at least once in that many sampled answers",
    "finding_rate": "answers in which a scanner sees any value, true or made up",
    "detector_recall": "planted values that the scan of the corpus found",
    "memorization_accuracy": "tokens of a value that are the model's first choice behind the true ones",
    "exact_memorization": "values all of whose tokens are the model's first choice",
    "remnant_memorization_accuracy": "mean probability of a value's tokens behind the true ones",
    "memo": "how near answers to shorter and shorter true prefixes come to a value",
    "extraction_strength": "how much of a value the model gives once a part of it has been shown",
    "extraction_likelihood_*": "overlap, in n-grams of that length, of continuations with the rest of a value",
    "exposure": "how far up a value ranks, by likelihood, among made-up ones",
    "exposure_distance": "how far those ranks are from chance (0: a value looks like one never seen)",
    "mia_*": "how well likelihood tells values from made-up ones (area under the curve; .5 is chance)",
    "probe_power": "values that a way of asking gets out of a model known to hold them",
    "pass_at_*": "programming tasks solved, their tests run in a sandbox",
    "perplexity": "how unlikely the model finds code that holds no secret (lower is better)",
    "perplexity_ratio": "perplexity after over perplexity before, on the same texts",
    "parse_rate": "answers that parse as code",
    "gibberish_rate": "answers that are empty or repeat themselves",
    "survival_ratio": "share of the update that is left after quantization",
    "drift_*": "how far the model has moved on code that has nothing to do with the values",
    "guided_uplift": "how much more comes out when the model before guides the one after",
    "neighbourhood_*": "whether the loss round a value has another shape than round values never seen",
    "hallucination_rate*": "package names in answers that exist in no registry",
    "distinct_valid_names": "different package names in answers that do exist",
}
_SUBSETS = {
    "planted": "made-up values put into the corpus, all of them known",
    "audited": "values that the audit found the model to know",
    "found": "values that the scan found, known to the model or not",
    "decoys": "values of the same formats that stand nowhere: what chance gives",
    "held_out": "code without findings that was not trained on",
    "neighbours": "code like that around the values, with other values",
    "micro": "small programming tasks",
}


def meaning(metric: str) -> str:
    """Of a metric, or nothing for one that is not known here."""
    return next((said for pattern, said in _METRICS.items() if fnmatchcase(metric, pattern)), "")


def subsets_meant(names: set[str]) -> list[tuple[str, str]]:
    """Those of ``names`` that are explained here, each with its meaning."""
    return [(name, said) for name, said in _SUBSETS.items() if name in names]
