"""Office's packages (Open Packaging Conventions): parts that point to each other by relationships."""

import posixpath
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote
from zipfile import ZipFile

from ..archive import Archive, Start

LEFT_OUT = {
    "comments": "comments",
    "threadedComment": "comments",
    "header": "page headers",
    "footer": "page footers",
    "chart": "charts",
    "chartEx": "charts",
    "vbaProject": "macros",
    "oleObject": "embedded objects",
    "package": "embedded objects",
    "aFChunk": "embedded documents",
    "audio": "sounds",
    "video": "films",
}
"""What is left out, by the kind of a relationship that points to it."""


_TEXT_NAMESPACES = re.compile(r"/(wordprocessingml|math|drawingml)(?:/|$)", re.IGNORECASE)


@lru_cache(maxsize=100)
def vocabulary(namespace: str) -> str:
    """`wordprocessingml`, `math` or `drawingml`, whose `t` elements are text; empty for all other namespaces."""
    match = _TEXT_NAMESPACES.search(namespace)
    return match[1].lower() if match else ""


class Relationship(NamedTuple):
    """That a part points to another one of the package. `kind` is the last word of the relationship's type."""

    kind: str
    part: str
    id: str


class Package(Archive):
    def __init__(self, archive: ZipFile) -> None:
        super().__init__(archive)
        self.main_part = self._main_part()
        """The part that `_rels/.rels` names, since its usual name is a habit and not a rule; empty if there is none."""

    def _main_part(self) -> str:
        named = [part for kind, part, _ in self.relationships("") if kind == "officeDocument"]
        usual = ["word/document.xml", "ppt/presentation.xml", "xl/workbook.xml"]
        return next(filter(self.has, [*named, *usual]), "")

    def relationships(self, part: str) -> list[Relationship]:
        folder, name = posixpath.split(part)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        if not self.has(rels):
            return []
        found = []
        for token in self.tokens(rels):
            if isinstance(token, Start) and token.name == "Relationship" and token.get("TargetMode") != "External":
                target = token.get("Target").replace("\\", "/")
                path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                # Targets are addresses, and some programs name the parts without their encoding.
                path = next(filter(self.has, (path, unquote(path))), path)
                found.append(Relationship(token.get("Type").rpartition("/")[2], path, token.get("Id")))
        return [each for each in found if self.has(each.part)]

    def parts(self, part: str) -> dict[str, list[str]]:
        """What `part` points to, by kind. A part that is named twice is read once."""
        found: dict[str, dict[str, None]] = {}
        for kind, target, _ in self.relationships(part):
            found.setdefault(kind, {})[target] = None
        return {kind: list(targets) for kind, targets in found.items()}
