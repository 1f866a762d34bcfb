"""Documents that are ZIP files: their parts, and the XML in them, read as a stream and within limits."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import IO, NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from . import TEXT_BYTES, Refused

PIECE = 64 * 1024


class Start(NamedTuple):
    """The start of an element. Names are without their namespaces' prefixes, but that of a relationship is `r:id`."""

    name: str
    namespace: str
    attributes: Mapping[str, str]

    def get(self, attribute: str) -> str:
        return self.attributes.get(attribute, "")


class End(NamedTuple):
    """The end of an element."""

    name: str
    namespace: str


Token = Start | End | str
"""What XML consists of, in the order of the file; text may come in several pieces."""


def tokens(pieces: Iterable[bytes]) -> Iterator[Token]:
    """What XML consists of. For use inside `refusing`."""
    builder = _Tokens()
    parser = DefusedXMLParser(target=builder)
    for piece in pieces:
        parser.feed(piece)
        yield from builder.take()
    parser.close()
    yield from builder.take()


def outside(tokens: Iterable[Token], is_left_out: Callable[[Start], bool]) -> Iterator[Token]:
    """The tokens without the elements that are left out, and without what is in them."""
    depth = 0
    for token in tokens:
        if isinstance(token, Start):
            if depth or is_left_out(token):
                depth += 1
                continue
        elif depth:
            depth -= isinstance(token, End)
            continue
        yield token


@contextmanager
def refusing() -> Iterator[None]:
    """Raises Refused for archives and XML that are damaged or not allowed."""
    try:
        yield
    except BadZipFile as error:
        raise Refused(f"it is not the document that its name says, or it is damaged ({error})") from error
    except DefusedXmlException as error:
        raise Refused(f"it contains XML that is not allowed ({type(error).__name__})") from error
    except ParseError as error:
        raise Refused(f"it contains damaged XML ({error})") from error


class Archive:
    """The parts of a document by their names, which some programs write with `\\` or in other case."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._parts = {_part_name(info.filename): info for info in archive.infolist()}
        self._unpacked = 0

    def names(self) -> Iterator[str]:
        """The parts' names in lower case, with `/`."""
        return iter(self._parts)

    def has(self, part: str) -> bool:
        return _part_name(part) in self._parts

    def size(self, part: str) -> int:
        """The size that the archive declares, which can be wrong."""
        return max(self._info(part).file_size, 1)

    def read(self, part: str) -> bytes:
        return b"".join(self.pieces(part))

    def pieces(self, part: str) -> Iterator[bytes]:
        """The content of a part. Raises Refused once all parts together are more than TEXT_BYTES, really unpacked."""
        with self._open(part) as stream:
            while piece := stream.read(PIECE):
                self._unpacked += len(piece)
                if self._unpacked > TEXT_BYTES:
                    raise Refused(f"it unpacks to more than the {TEXT_BYTES} bytes allowed")
                yield piece

    def tokens(self, part: str) -> Iterator[Token]:
        """The XML of a part; see `tokens`."""
        return tokens(self.pieces(part))

    def percent(self, total: int) -> int:
        """How much has been unpacked of `total` bytes, in percent."""
        return 100 * min(self._unpacked, total) // max(total, 1)

    def _open(self, part: str) -> IO[bytes]:
        return self._archive.open(self._info(part))

    def _info(self, part: str) -> ZipInfo:
        info = self._parts[_part_name(part)]
        if info.flag_bits & 1:
            raise Refused("it is encrypted; save it without a password")
        if info.file_size > TEXT_BYTES:
            raise Refused(f"it unpacks to {info.file_size} bytes, more than the {TEXT_BYTES} allowed")
        return info


def _part_name(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()


class _Tokens:
    """What DefusedXMLParser builds: a list of tokens instead of a tree, whose size would grow with the document."""

    def __init__(self) -> None:
        self._tokens: list[Token] = []

    def take(self) -> list[Token]:
        tokens, self._tokens = self._tokens, []
        return tokens

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._tokens.append(Start(*_split(tag), {_attribute(key): value for key, value in attributes.items()}))

    def end(self, tag: str) -> None:
        self._tokens.append(End(*_split(tag)))

    def data(self, text: str) -> None:
        self._tokens.append(text)

    def close(self) -> None:
        """DefusedXMLParser calls it."""


@lru_cache(maxsize=1000)
def _split(tag: str) -> tuple[str, str]:
    namespace, _, name = tag.rpartition("}")
    return name, namespace


@lru_cache(maxsize=1000)
def _attribute(key: str) -> str:
    namespace, _, name = key.rpartition("}")
    return f"r:{name}" if namespace.endswith("/relationships") else name
