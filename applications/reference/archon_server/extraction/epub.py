"""The text of a book (EPUB): its chapters, in the order in which they are read."""

import posixpath
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from . import LeftOut, Refused, encodings
from .archive import Archive, Start
from .encodings import Encoding
from .html import Converter

_CHAPTERS = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml"}
_FONT_MANGLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
"""Encryption of fonts only, against copying."""


class _Item(NamedTuple):
    """A file of the book. `fallback` is the id of one that readers show instead if they cannot show this one."""

    part: str
    kind: str
    fallback: str
    is_contents: bool


def markdown(archive: Archive) -> Iterator[str | int | LeftOut | Encoding]:
    if archive.has("META-INF/encryption.xml"):
        algorithms = {
            token.get("Algorithm")
            for token in archive.tokens("META-INF/encryption.xml")
            if isinstance(token, Start) and token.name == "EncryptionMethod"
        }
        if algorithms - set(_FONT_MANGLING):
            raise Refused("it is protected against copying; only books without protection can be read")
    left_out: Counter[str] = Counter()
    for package in _packages(archive):
        chapters = _chapters(archive, package, left_out)
        for number, chapter in enumerate(chapters, start=1):
            content = archive.read(chapter)
            try:
                encoding = encodings.of_bytes(content, html=True)
            except encodings.UnknownEncoding as error:
                left_out[f"chapters that cannot be decoded: {error}"] += 1
                continue
            if encoding.confidence is not None:
                yield encoding
            converter = Converter()
            converter.feed(encoding.decode(content))
            converter.close()
            left_out.update(converter.left_out)
            yield converter.take()
            yield "\n"
            yield 100 * number // len(chapters)
    yield from (LeftOut(f"{what} ({count})") for what, count in sorted(left_out.items()) if count)


def _packages(archive: Archive) -> list[str]:
    paths = (
        token.get("full-path")
        for token in archive.tokens("META-INF/container.xml")
        if isinstance(token, Start) and token.name == "rootfile"
    )
    # Others are the same book in another form.
    found = [each for path in paths for each in (path, unquote(path)) if archive.has(each)][:1]
    if not found:
        raise Refused("it is a book without a list of its chapters")
    return found


def _chapters(archive: Archive, package: str, left_out: Counter[str]) -> list[str]:
    """The parts that the book's spine names, and what else it consists of into `left_out`."""
    items: dict[str, _Item] = {}
    chapters: dict[str, None] = {}
    folder = posixpath.dirname(package)
    for token in archive.tokens(package):
        if isinstance(token, Start) and token.name == "item":
            path = posixpath.normpath(posixpath.join(folder, unquote(token.get("href").partition("#")[0])))
            kind = token.get("media-type").strip().lower()
            items[token.get("id")] = _Item(path, kind, token.get("fallback"), "nav" in token.get("properties").split())
        elif isinstance(token, Start) and token.name == "itemref":
            part, kind = _readable(items, token.get("idref"))
            if kind not in _CHAPTERS:
                left_out[f"chapters of another type ({kind})" if kind else "chapters that are missing"] += 1
            elif not archive.has(part):
                left_out["chapters that are missing"] += 1
            else:
                chapters[part] = None
    outside = [each for each in items.values() if each.kind in _CHAPTERS and not each.is_contents]
    fallbacks = {items[each.fallback].part for each in items.values() if each.fallback in items}
    left_out["pages outside the reading order"] = sum(
        each.part not in chapters and each.part not in fallbacks and archive.has(each.part) for each in outside
    )
    return list(chapters)


def _readable(items: dict[str, _Item], id_: str) -> tuple[str, str]:
    """Part and type of a chapter, or of the first of its fallbacks that can be read."""
    named = items.get(id_)
    item, seen = named, set[str]()
    while item and item.kind not in _CHAPTERS and id_ not in seen:
        seen.add(id_)
        id_ = item.fallback
        item = items.get(id_)
    found = item or named
    return (found.part, found.kind) if found else ("", "")
