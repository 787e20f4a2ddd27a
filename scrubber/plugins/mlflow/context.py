"""Tags for the runs that MLflow starts while Scrubber is at work: its version, and digests of policy and configuration."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_tags: ContextVar[Mapping[str, str] | None] = ContextVar("scrubber_tags", default=None)


class ScrubberContext:
    """MLflow's RunContextProvider, by shape: it is asked at each ``mlflow.start_run`` of any program, so it loads nothing."""

    def in_context(self) -> bool:
        """Only within ``tagged``, or in the process of a ``scrubber`` command."""
        return _tags.get() is not None or "scrubber.cli" in sys.modules

    def tags(self) -> dict[str, str]:
        from scrubber.core.provenance import version_of

        return {"scrubber.version": version_of("code-scrubber"), **(_tags.get() or {})}


@contextmanager
def tagged(policy: str = "", config: Mapping[str, object] | None = None) -> Iterator[None]:
    """Runs that are started in this block bear ``scrubber.policy`` and ``scrubber.config``, digests of what is given.

    ``policy``: a name or a TOML file. Raises AskedWrongly where it is none.
    """
    from dataclasses import asdict

    from scrubber.core.workspace import digest
    from scrubber.pipelines.config import policy as policy_named

    tags = {"scrubber.policy": digest(asdict(policy_named(policy)))} if policy else {}
    if config is not None:
        tags["scrubber.config"] = digest(dict(config))
    before = _tags.set(tags)
    try:
        yield
    finally:
        _tags.reset(before)
