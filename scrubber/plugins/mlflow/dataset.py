"""The dataset source ``scrubber:PATH``: files or a folder of data by their digest, so that provenance can be checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlflow.data.dataset_source import DatasetSource

SCHEME = "scrubber:"


class ScrubberSource(DatasetSource):  # type: ignore[misc]
    """Data in files, as they were when they were used: ``mlflow.data.from_pandas(frame, source="scrubber:prompts.jsonl")``.

    ``sha256`` is of the names, sizes and bytes of all files; nothing of what they hold is kept.
    """

    def __init__(self, path: str, sha256: str, files: int) -> None:
        self.path, self.sha256, self.files = path, sha256, files

    @staticmethod
    def _get_source_type() -> str:
        return "scrubber"

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return isinstance(raw_source, str) and raw_source.startswith(SCHEME)

    @classmethod
    def _resolve(cls, raw_source: Any) -> ScrubberSource:
        """Raises AskedWrongly when there is no such file or folder; MLflow turns that into a warning of its own."""
        path = unquote(raw_source.removeprefix(SCHEME).removeprefix("//"))
        return cls(path, *_digest(Path(path)))

    def load(self) -> Path:
        """Where the data lie. Raises AskedWrongly when they are gone, or are not those that were used."""
        from scrubber.core.errors import AskedWrongly

        if _digest(Path(self.path))[0] != self.sha256:
            raise AskedWrongly("the data are not those that were used: they changed since", where=self.path)
        return Path(self.path)

    def to_dict(self) -> dict[str, Any]:
        return {"path": self.path, "sha256": self.sha256, "files": self.files}

    @classmethod
    def from_dict(cls, source_dict: dict[Any, Any]) -> ScrubberSource:
        return cls(source_dict["path"], source_dict["sha256"], source_dict["files"])


def _digest(path: Path) -> tuple[str, int]:
    from scrubber.core.errors import AskedWrongly
    from scrubber.core.seal import file_digest, folder_digest

    if path.is_dir():
        return folder_digest(path)
    if not path.is_file():
        raise AskedWrongly("there is no such file or folder", where=str(path), mend="Write it as scrubber:PATH.")
    return file_digest(path), 1
