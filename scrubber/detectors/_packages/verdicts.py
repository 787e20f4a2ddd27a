"""What is judged of a name: whether it comes with the language, is the project's own, is registered, since when."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import NamedTuple

from scrubber.core.errors import AskedWrongly
from scrubber.core.mentions import Ecosystem, Mention, PackageVerdict
from scrubber.core.name_index import NameIndex
from scrubber.core.workspace import digest
from scrubber.detectors._packages import tables
from scrubber.detectors._packages.found import NAME, normal
from scrubber.detectors._packages.nearest import nearest

NODE_LONGEST = 214


class Project(NamedTuple):
    """What a project defines itself: the names that its manifests give it, its modules, and those within its packages."""

    names: Mapping[Ecosystem, Collection[str]] = {}
    modules: Collection[str] = frozenset()
    inner: Collection[str] = frozenset()


@dataclass(frozen=True)
class Judge:
    """Gives verdicts by the indexes that there are; without one of an ecosystem, only what the name itself tells.

    ``modules``: the user's own table of Python modules and their distributions. ``allowed``: patterns of names that are
    no one else's business (``@corp/*``).
    """

    indexes: Mapping[Ecosystem, NameIndex] = field(default_factory=dict)
    cutoff: date | None = None
    project: Project = Project()  # noqa: RUF009 (it is frozen)
    modules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    allowed: Sequence[str] = ()
    _known_near: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def identity(self) -> str:
        indexes = [header.header.checksum for _, header in sorted(self.indexes.items())]
        return digest(indexes, self.cutoff, self.modules, self.allowed)

    def __call__(self, mention: Mention, skip: bool = False) -> Mention:
        verdict = "skip" if skip or self._is_allowed(mention.name) else self._verdict(mention)
        near: tuple[str, ...] = ()
        if verdict in ("unknown", "unregistrable"):
            index = self.indexes.get(mention.ecosystem)
            near = self._near(index, normal(mention.ecosystem, mention.name)) if index else ()
        return replace(mention, verdict=verdict, nearest=near)

    def _is_allowed(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.allowed)

    def _verdict(self, mention: Mention) -> PackageVerdict | None:
        ecosystem, name = mention.ecosystem, mention.name
        imported = mention.kind in ("import", "dynamic-import")
        if imported and ecosystem == "pypi" and name in tables.python_modules():
            return "stdlib"
        if (
            imported
            and ecosystem == "npm"
            and (name.startswith("node:") or _node_module(mention.raw) in tables.node_modules())
        ):
            return "stdlib"
        if ecosystem == "go" and "." not in name.partition("/")[0]:
            return "stdlib"
        if normal(ecosystem, name) in self.project.names.get(ecosystem, ()) or (imported and not name.isascii()):
            return "local"
        if not imported or ecosystem != "pypi":
            return self._of_name(ecosystem, name)
        if name in self.project.modules or name in tables.own_modules():
            return "local"
        verdict = self._of_module(mention)
        # a module within a package goes by a longer name; in a script beside it, by this one
        inner = verdict in (None, "unknown", "unregistrable") and name in self.project.inner
        return "local" if inner else verdict

    def _of_module(self, mention: Mention) -> PackageVerdict | None:
        """Of an import: a module's distribution may have any name, and no registry publishes modules."""
        name, index = mention.name, self.indexes.get("pypi")
        mapped = self.modules.get(name) or tables.distributions().get(name) or ()
        parts = [one for module in mention.modules for one in _prefixes(module)] if name in tables.namespaces() else []
        if index is None:
            return "known-by-mapping" if mapped else "placeholder" if tables.is_placeholder(name) else None
        there = [one for one in (*mapped, *parts) if normal("pypi", one) in index]
        if there:
            return self._dated(index, there) or "known-by-mapping"
        if name in self.modules:  # the user says so
            return "known-by-mapping"
        return self._of_name("pypi", normal("pypi", name))

    def _of_name(self, ecosystem: Ecosystem, name: str) -> PackageVerdict | None:
        index = self.indexes.get(ecosystem)
        if tables.is_placeholder(name):
            return "placeholder"
        if not NAME[ecosystem].fullmatch(name) or (ecosystem == "npm" and len(name) > NODE_LONGEST):
            return "unregistrable"
        if index is None:
            return "stdlib" if ecosystem == "pypi" and name in tables.python_modules() else None
        known = next((one for one in _modules(ecosystem, name) if one in index), None)
        if known:
            return self._dated(index, [known]) or "known"
        if index.has_lookalike(name) or (ecosystem == "pypi" and name in tables.python_modules()):
            return "unregistrable"
        return "unknown"

    def _dated(self, index: NameIndex, names: Sequence[str]) -> PackageVerdict | None:
        """Late, if every one of ``names`` came after the model's cut-off; a name without a day did not."""
        if self.cutoff is None:
            return None
        days = [index.first_seen(normal(index.header.ecosystem, name)) for name in names]
        return "late" if all(day is not None and day > self.cutoff for day in days) else None

    def _near(self, index: NameIndex, name: str) -> tuple[str, ...]:
        key = index.header.ecosystem, name
        if key not in self._known_near:
            self._known_near[key] = nearest(name, index)
        return self._known_near[key]


def check_cutoff(cutoff: date | None, indexes: Mapping[Ecosystem, NameIndex]) -> None:
    """Raises AskedWrongly when a model may know names that are too young for an index: they would seem invented."""
    older = [
        f"{name} of {index.header.snapshot}"
        for name, index in indexes.items()
        if cutoff and date.fromisoformat(index.header.snapshot) < cutoff
    ]
    if older:
        raise AskedWrongly(
            f"the model's cut-off, {cutoff}, is later than the snapshot of the name index: {', '.join(older)}",
            mend="Names that came between would be called unknown. Update the index (scrubber index update), or use --force.",
        )


def _node_module(raw: str) -> str:
    return raw.removeprefix("node:").rstrip("/")


def _prefixes(module: str) -> Iterator[str]:
    """google.cloud.storage: google-cloud-storage, google-cloud."""
    parts = module.split(".")
    for count in range(len(parts), 1, -1):
        yield "-".join(parts[:count])
        yield "apache-airflow-" + "-".join(parts[1:count]) if parts[0] == "airflow" else "-".join(parts[:count])


def _modules(ecosystem: Ecosystem, name: str) -> Iterator[str]:
    """A package of Go is in the module whose path is the longest prefix of its own."""
    yield name
    while ecosystem == "go" and "/" in name:
        name = name.rpartition("/")[0]
        yield name
