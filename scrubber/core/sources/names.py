"""What the name of a file tells: its suffix, its language, whether it is binary, and how an odd name is printed."""

from __future__ import annotations

import os

SKIPPED_FOLDERS = frozenset((
    ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".cache", ".eggs", ".tox", ".nox",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints",
))  # fmt: skip
BINARY = frozenset((
    ".7z", ".a", ".avi", ".bin", ".bmp", ".class", ".dll", ".dylib", ".eot", ".exe", ".gguf", ".gif", ".ico", ".jpeg",
    ".jpg", ".mo", ".mov", ".mp3", ".mp4", ".npy", ".npz", ".o", ".onnx", ".otf", ".pdf", ".pkl", ".png", ".pt", ".pyc",
    ".pyd", ".rar", ".safetensors", ".so", ".sqlite", ".tif", ".tiff", ".ttf", ".wav", ".webm", ".webp", ".woff",
    ".woff2",
))  # fmt: skip
COMPRESSED = frozenset((".bz2", ".gz", ".xz", ".zst"))
TARS = {".tbz2": ".tar.bz2", ".tgz": ".tar.gz", ".txz": ".tar.xz", ".tzst": ".tar.zst"}
ZIPS = frozenset((".aar", ".apk", ".ear", ".egg", ".jar", ".nupkg", ".vsix", ".war", ".whl", ".xpi", ".zip"))
PARQUET = frozenset((".parquet", ".pq"))
ARROW = frozenset((".arrow", ".feather", ".ipc"))
JSONL = frozenset((".jsonl", ".ndjson"))
NOTEBOOKS = frozenset((".ipynb",))
CONTAINERS = COMPRESSED | {".tar"} | TARS.keys() | ZIPS | PARQUET | ARROW  # no text, if nothing is unpacked
SPECIAL = BINARY | CONTAINERS | JSONL | NOTEBOOKS  # every other file is one text
LANGUAGES = {
    ".bash": "shell", ".c": "c", ".cc": "cpp", ".cfg": "ini", ".conf": "ini", ".cpp": "cpp", ".cs": "csharp",
    ".css": "css", ".env": "dotenv", ".go": "go", ".h": "c", ".hpp": "cpp", ".html": "html", ".ini": "ini",
    ".ipynb": "json", ".java": "java", ".js": "javascript", ".json": "json", ".jsx": "javascript", ".kt": "kotlin",
    ".md": "markdown", ".php": "php", ".properties": "ini", ".ps1": "powershell", ".py": "python", ".pyi": "python",
    ".rb": "ruby", ".rs": "rust", ".rst": "rst", ".scala": "scala", ".sh": "shell", ".sql": "sql", ".swift": "swift",
    ".tf": "terraform", ".toml": "toml", ".ts": "typescript", ".tsx": "typescript", ".txt": "text", ".xml": "xml",
    ".yaml": "yaml", ".yml": "yaml",
}  # fmt: skip


def suffix_of(name: str) -> str:
    """The last suffix in lower case, dot included; empty where there is none, as of ``.env``."""
    last = name[name.rfind("/") + 1 :]
    dot = last.rfind(".")
    return last[dot:].lower() if dot > 0 else ""


def language_of(path: str | os.PathLike[str]) -> str | None:
    """The language that a path's suffix (or a name such as ``.env``) tells, or None."""
    name = os.fspath(path)
    language = LANGUAGES.get(suffix_of(name))
    if language is None or ".env" in name:
        last = name[name.rfind("/") + 1 :].lower()
        if last == ".env" or last.startswith(".env."):
            return "dotenv"
    return language


def printable(name: str) -> str:
    """A name that every output can write: bytes of it that are no UTF-8 become escapes, so that names stay apart."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode("utf-8")
