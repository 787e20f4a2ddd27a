"""The error tree. Each error says what is wrong, where, and what to do; none ever quotes a document or a value.

ScrubberError
+-- AskedWrongly      exit code 2: a bad option, configuration or path
+-- NoVerdict         exit code 3: the work could not be finished
    +-- ModelUnusable     missing, corrupt or unsupported model files
    +-- NothingToDo       an empty corpus, no sample left
    +-- TrainingFailed    a loss that is not finite
    +-- Interrupted       a signal asked the process to stop
"""

from __future__ import annotations


class ScrubberError(Exception):
    """What is wrong, where, and the mend. All three are safe to print."""

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(what + (f" ({where})" if where else "") + (f". {mend}" if mend else ""))


class AskedWrongly(ScrubberError):
    exit_code = 2


class NoVerdict(ScrubberError):
    exit_code = 3


class ModelUnusable(NoVerdict):
    pass


class NothingToDo(NoVerdict):
    pass


class TrainingFailed(NoVerdict):
    pass


class Interrupted(NoVerdict):
    pass
