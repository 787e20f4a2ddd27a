"""Where a run's numbers come from: digests and versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from scrubber.core.workspace import digest_files


def model_digest(name: str) -> str:
    """Of the files of a model in a folder; of one on a hub or a server, its name: what answers there cannot be digested."""
    if name.startswith(("http://", "https://")):
        return f"served:{name}"
    path = Path(name).expanduser()
    return digest_files(path) if path.exists() else f"hub:{name}"


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def versions() -> dict[str, str]:
    packages = ("code-scrubber", "torch", "transformers", "peft", "bitsandbytes", "detect-secrets", "phonenumbers")
    return {"python": platform.python_version(), **{p: version_of(p) for p in packages}}
