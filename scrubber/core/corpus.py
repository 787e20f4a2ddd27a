"""Where documents come from: folders, files and JSONL, one at a time, with every unread file named."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scrubber.core.errors import AskedWrongly
from scrubber.core.types import Document

MOST_BYTES = 64 * 2**20  # of a file, or of a line of JSONL
SNIFFED_BYTES = 8192  # a NUL byte in these makes a file binary, as for git and grep
SKIPPED_FOLDERS = frozenset((
    ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".cache", ".eggs", ".tox", ".nox",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints",
))  # fmt: skip
BINARY_SUFFIXES = frozenset((
    ".7z", ".a", ".arrow", ".avi", ".bin", ".bmp", ".bz2", ".class", ".dll", ".dylib", ".eot", ".exe", ".gguf", ".gif",
    ".gz", ".ico", ".jar", ".jpeg", ".jpg", ".mo", ".mov", ".mp3", ".mp4", ".npy", ".npz", ".o", ".onnx", ".otf",
    ".parquet", ".pdf", ".pkl", ".png", ".pt", ".pyc", ".pyd", ".rar", ".safetensors", ".so", ".sqlite", ".tar",
    ".tgz", ".tif", ".tiff", ".ttf", ".wav", ".webm", ".webp", ".whl", ".woff", ".woff2", ".xz", ".zip", ".zst",
))  # fmt: skip
LANGUAGES = {
    ".bash": "shell", ".c": "c", ".cc": "cpp", ".cfg": "ini", ".conf": "ini", ".cpp": "cpp", ".cs": "csharp",
    ".css": "css", ".env": "dotenv", ".go": "go", ".h": "c", ".hpp": "cpp", ".html": "html", ".ini": "ini",
    ".ipynb": "json", ".java": "java", ".js": "javascript", ".json": "json", ".jsx": "javascript", ".kt": "kotlin",
    ".md": "markdown", ".php": "php", ".properties": "ini", ".ps1": "powershell", ".py": "python", ".pyi": "python",
    ".rb": "ruby", ".rs": "rust", ".rst": "rst", ".scala": "scala", ".sh": "shell", ".sql": "sql", ".swift": "swift",
    ".tf": "terraform", ".toml": "toml", ".ts": "typescript", ".tsx": "typescript", ".txt": "text", ".xml": "xml",
    ".yaml": "yaml", ".yml": "yaml",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unread:
    """A file, folder or line that could not be read, and why. The reason never quotes content."""

    path: str
    reason: str


def documents(paths: Sequence[Path], *, errors: list[Unread], skipped: list[str] | None = None) -> Iterator[Document]:
    """Documents of folders (recursive, sorted by name), single files, and JSONL; one in memory at a time.

    The id is the path relative to the one folder that was asked for; where several paths or a single file
    were asked for, it is the path as it was written. JSONL is a file ``*.jsonl`` of objects with ``text`` and
    perhaps ``id``, ``path`` and ``language``, one a line. What cannot be read is added to ``errors``, and the
    names of binary files, which are passed over, to ``skipped``. Symbolic links that lead back into the asked
    folder are not followed, since what they show is read in its own place.

    Raises AskedWrongly at once, before anything is read, when a path does not exist.
    """
    missing = [path for path in paths if not os.path.lexists(path)]
    if missing or not paths:
        raise AskedWrongly(
            "there is nothing at the path" if missing else "no path was given",
            where=", ".join(map(str, missing)),
            mend="Name files or folders that exist.",
        )
    return _documents(paths, errors, [] if skipped is None else skipped)


def language_of(path: str | Path) -> str | None:
    """The language that a path's suffix (or a name such as ``.env``) tells, or None."""
    name = Path(path).name.lower()
    return "dotenv" if name == ".env" or name.startswith(".env.") else LANGUAGES.get(Path(name).suffix)


def _documents(paths: Sequence[Path], errors: list[Unread], skipped: list[str]) -> Iterator[Document]:
    for asked in paths:
        if asked.is_dir():
            resolved = asked.resolve()
            for path in _files(asked, resolved, {resolved}, errors):
                name = path.relative_to(asked) if len(paths) == 1 else path
                yield from _read(path, name.as_posix(), errors, skipped)
        else:
            yield from _read(asked, asked.as_posix(), errors, skipped)


def _files(folder: Path, root: Path, seen: set[Path], errors: list[Unread]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        errors.append(Unread(folder.as_posix(), error.strerror or "unreadable"))
        return
    for entry in entries:
        path = folder / entry.name
        target = path.resolve() if entry.is_symlink() else None
        if target is not None and target.is_relative_to(root) and target.exists():
            continue
        if entry.is_dir():
            if entry.name in SKIPPED_FOLDERS or target in seen or _left_out(path):
                continue
            if target is not None:
                seen.add(target)
            yield from _files(path, root, seen, errors)
        elif entry.is_file():
            yield path
        else:
            errors.append(Unread(path.as_posix(), "not a regular file"))


def _left_out(folder: Path) -> bool:
    """Whether a folder ignores itself (``.gitignore`` of ``*``), as virtual environments and our run folders do."""
    try:
        return (folder / ".gitignore").read_text().strip() == "*"
    except (OSError, UnicodeDecodeError):
        return False


def _read(path: Path, name: str, errors: list[Unread], skipped: list[str]) -> Iterator[Document]:
    if path.suffix.lower() in BINARY_SUFFIXES:
        skipped.append(name)
        return
    try:
        if not path.is_file():
            raise OSError(None, "not a regular file")
        with path.open("rb") as file:
            head = file.read(SNIFFED_BYTES)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            errors.append(Unread(name, "not UTF-8"))
        elif b"\0" in head:
            skipped.append(name)
        elif path.suffix.lower() == ".jsonl" and _is_jsonl(path):
            yield from _read_jsonl(path, name, errors)
        elif path.stat().st_size > MOST_BYTES:
            errors.append(Unread(name, f"larger than {MOST_BYTES >> 20} MiB"))
        else:
            # Not read_text: it would turn CR LF into LF, and spans would no longer be those of the file.
            text = path.read_bytes().decode("utf-8")
            yield Document(id=name, text=text, path=path.as_posix(), language=language_of(path))
    except UnicodeDecodeError:  # its own message quotes the bytes
        errors.append(Unread(name, "not UTF-8"))
    except OSError as error:
        errors.append(Unread(name, error.strerror or "unreadable"))


def _is_jsonl(path: Path) -> bool:
    """Whether the first line that is not blank is an object with a text; if not, the file is plain text."""
    with path.open("rb") as file:
        for line in iter(lambda: file.readline(MOST_BYTES), b""):
            if line.strip():
                return _row(line) is not None
    return False


def _read_jsonl(path: Path, name: str, errors: list[Unread]) -> Iterator[Document]:
    number = 0
    with path.open("rb") as file:
        while line := file.readline(MOST_BYTES + 1):
            number += 1
            where = f"{name}:{number}"
            if len(line) > MOST_BYTES:
                errors.append(Unread(where, f"line larger than {MOST_BYTES >> 20} MiB"))
                while line and not line.endswith(b"\n"):
                    line = file.readline(MOST_BYTES)
                continue
            if not line.strip():
                continue
            row = _row(line)
            if row is None:
                errors.append(Unread(where, "not a JSON object with a text"))
                continue
            inner = row.get("path") if isinstance(row.get("path"), str) else None
            language = row.get("language")
            yield Document(
                id=str(row.get("id", where)),
                text=row["text"],
                path=inner or path.as_posix(),
                language=language if isinstance(language, str) else language_of(inner) if inner else None,
            )


def _row(line: bytes) -> dict[str, str] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # bad JSON or not UTF-8
        return None
    return row if isinstance(row, dict) and isinstance(row.get("text"), str) else None
