"""The judging child: runs a task's own tests on a candidate that lives in another process. Standard library only.

The tests are the data set's text, which is trusted to judge and with nothing else: this child is confined as the
candidate is. It alone holds the descriptor on which a verdict is given, and only plain values reach it.
"""

from __future__ import annotations

import json

from scrubber.evaluation.sandbox.asking import Failed, Lost, Remote
from scrubber.evaluation.sandbox.lines import Lines

PASSED = "passed"


def examine(judge: Lines, candidate: Lines) -> None:
    """Reads ``[source, tests]`` from the judge and answers it with PASSED or a class of failure.

    Tests find ``function_of(name)``, which gives a function of the candidate; whatever they raise is a failure.
    """
    source, tests = judge.receive()
    remote = Remote(candidate)
    judge.send(json.dumps(_verdict(remote, source, tests)))


def _verdict(remote: Remote, source: str, tests: str) -> str:
    try:
        remote.load(source)
        exec(
            compile(tests, "<tests>", "exec", dont_inherit=True), {"__name__": "tests", "function_of": remote.function}
        )
    except (Failed, Lost) as error:
        return str(error)
    except BaseException:  # an assertion, or what plain operators make of a value of the wrong type
        return remote.lost or "wrong"
    return remote.lost or PASSED  # a test may have caught what befell the candidate
