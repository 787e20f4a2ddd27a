"""What can be known to be wrong with a configuration before a model is loaded."""

from __future__ import annotations

from pathlib import Path

from scrubber.core.errors import AskedWrongly
from scrubber.core.model.served_http import checked_address, key_of
from scrubber.pipelines import config as configuration
from scrubber.pipelines.config import Config
from scrubber.pipelines.forget_set import forget_set
from scrubber.pipelines.scan import detectors


def check(config: Config) -> None:
    """Everything that can be known to be wrong before a model is loaded, in one message."""
    from scrubber.pipelines.unlearn import method_settings  # torch comes with it

    mistakes: list[str] = []
    if not config.model.path:
        mistakes.append("model.path is not set: give --model")
    if not config.corpus.paths:
        mistakes.append("corpus.paths is not set: give --corpus")
    mistakes += [f"there is nothing at {p}" for p in config.corpus.paths if not Path(p).exists()]
    model = config.model
    if model.served_name and not model.is_served:
        mistakes.append("model.served_name is of a server: model.path must be its address, http://HOST:PORT/v1")
    named = [(f"evaluate.{key}", getattr(config.evaluate, key)) for key in ("planted", "decoys", "held_out")]
    named += [("audit.keep_also", path) for path in config.audit.keep_also]
    mistakes += [f"{key}: there is nothing at {p}" for key, p in named if p and not Path(p).exists()]
    for attempt in (
        lambda: detectors(config.corpus.detectors),
        lambda: method_settings(config.unlearn.method, dict(config.unlearn.settings)),
        lambda: configuration.policy(config.gate.policy),
        lambda: forget_set(config.corpus),
        lambda: checked_address(model.path) if model.is_served else None,
        lambda: key_of(model.api_key_variable) if model.is_served else None,
    ):
        try:
            attempt()
        except AskedWrongly as error:  # noqa: PERF203
            mistakes.append(str(error))
    if mistakes:
        raise AskedWrongly(
            f"the run cannot start: {'; '.join(mistakes)}", mend="Keys and their meaning: scrubber config."
        )
