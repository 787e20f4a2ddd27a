"""Check 1, shipped precision: the adapter, and merged weights in bf16, int8 and nf4, asked the same as each other.

Unlearning that moves weights by less than a quantisation step is undone by quantising (arXiv 2410.16454): what ships is
what must be asked. Beside it stands the static survival ratio, which needs weights alone.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence

from scrubber.core.model.load import Precision
from scrubber.core.model.merge import cosine, survival
from scrubber.core.types import Score, Trial
from scrubber.evaluation.metrics import survival_ratio
from scrubber.pipelines.robust import asking
from scrubber.pipelines.robust.case import Bench, Case
from scrubber.pipelines.robust.estimate import asked
from scrubber.pipelines.robust.plan import Cost, Part


def parts(case: Case) -> list[Part]:
    """One part for the model as it was trained, one for each precision of the whole weights."""
    settings = case.settings
    cost = asked(case, case.values) + asked(case, case.asked_decoys)
    control = asked(case, case.control) + asked(case, case.control_decoys)
    sizes: Sequence[int] = (settings.values, settings.control_values)
    made = [Part("precision", "as_trained", cost + control, sizes, _as_trained)]
    for precision in settings.precisions:
        work = functools.partial(_merged, precision=precision)
        made.append(Part("precision", f"merged_{precision}", cost + control + Cost(loads=4), sizes, work))
    return made


def _as_trained(bench: Bench) -> list[Score]:
    case = bench.case
    trials = asking.ask(bench.release(), case.values, case.asked_decoys, context_tokens=case.context_tokens)
    bench.keep_trials("as_trained", trials)
    victim = asking.ask(bench.before(), case.control, case.control_decoys, context_tokens=case.context_tokens)
    name = "robust_as_trained"
    return asking.guarded(asking.power(victim, name), asking.scores(trials, name, note=f"in {case.precision}"))


def _merged(bench: Bench, precision: Precision) -> list[Score]:
    case, name, folder = bench.case, f"robust_merged_{precision}", bench.merged()
    trials = asking.ask(bench.at(folder, precision), case.values, case.asked_decoys, context_tokens=case.context_tokens)
    bench.keep_trials(f"merged_{precision}", trials)
    victim = asking.ask(
        bench.at(case.before, precision), case.control, case.control_decoys, context_tokens=case.context_tokens
    )
    layers = [
        Trial(
            probe="quantisation",
            subject=layer.layer,
            subset=name,
            prompt="",
            completion=json.dumps(layer._asdict()),
            expected="",
            outcome=cosine(layer.shared, layer.change, layer.update),
        )
        for layer in survival(bench.at(case.before, "fp32"), bench.at(folder, "fp32"), precision)
    ]
    kept = survival_ratio.score(layers, stage="after", subset=name)
    return asking.guarded(asking.power(victim, name), [*asking.scores(trials, name), kept])
