"""How bytes become text, by the rules of browsers (https://encoding.spec.whatwg.org), for uploads and crawls alike.

A byte order mark decides; else what the protocol says; else, in HTML, a `<meta>` in the first 1024 bytes. What none of
them names is UTF-8 if it is valid UTF-8, and is guessed otherwise.
"""

import codecs
import io
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from typing import BinaryIO

PRESCAN_BYTES = 1024
SAMPLE_BYTES = 100_000
_PIECE = 64 * 1024

_ERRORS = "whatwg"
"""The name of the handler of errors below."""

UNREADABLE = "\ufffd"
"""Stands for bytes that are not text in their encoding."""


class UnknownEncoding(Exception):
    """The bytes are no text that this server can decode; the message completes a sentence that starts with `it`."""


@dataclass(frozen=True)
class Encoding:
    """`name` is the WHATWG's. `confidence`, in 0..1, is that of a guess; None means that nothing was guessed.

    Bytes that are not text in the encoding become UNREADABLE.
    """

    name: str
    confidence: float | None = None

    def __str__(self) -> str:
        guess = "" if self.confidence is None else f", a guess ({max(round(100 * self.confidence), 1)} % sure)"
        return self.name + guess

    def decode(self, content: bytes) -> str:
        return "".join(self.texts(iter([content])))

    def texts(self, pieces: Iterator[bytes]) -> Iterator[str]:
        """The text of consecutive pieces, without a byte order mark."""
        decoder = codecs.getincrementaldecoder(_CODECS[self.name])(_ERRORS)
        start = True
        for piece in itertools.chain(pieces, [b""]):
            text = decoder.decode(piece, final=not piece)
            if start and text:
                text, start = text.removeprefix("\ufeff"), False
            yield text

    def reader(self, file: BinaryIO) -> io.TextIOWrapper:
        """Reads `file`, which is at its start, as text. Its first character may be a byte order mark."""
        return io.TextIOWrapper(file, encoding=_CODECS[self.name], errors=_ERRORS)


_LABELS = {
    "UTF-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
    "IBM866": "866 cp866 csibm866 ibm866",
    "ISO-8859-2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "ISO-8859-3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    "ISO-8859-4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    "ISO-8859-5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "ISO-8859-6": (
        "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i "
        "iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987"
    ),
    "ISO-8859-7": (
        "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7 "
        "iso_8859-7:1987 sun_eu_greek"
    ),
    "ISO-8859-8": (
        "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 "
        "iso_8859-8:1988 visual"
    ),
    "ISO-8859-8-I": "csiso88598i iso-8859-8-i logical",
    "ISO-8859-10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "ISO-8859-13": "iso-8859-13 iso8859-13 iso885913",
    "ISO-8859-14": "iso-8859-14 iso8859-14 iso885914",
    "ISO-8859-15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
    "ISO-8859-16": "iso-8859-16",
    "KOI8-R": "cskoi8r koi koi8 koi8-r koi8_r",
    "KOI8-U": "koi8-ru koi8-u",
    "macintosh": "csmacintosh mac macintosh x-mac-roman",
    "windows-874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "windows-1250": "cp1250 windows-1250 x-cp1250",
    "windows-1251": "cp1251 windows-1251 x-cp1251",
    "windows-1252": (
        "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 "
        "iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252"
    ),
    "windows-1253": "cp1253 windows-1253 x-cp1253",
    "windows-1254": (
        "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 "
        "windows-1254 x-cp1254"
    ),
    "windows-1255": "cp1255 windows-1255 x-cp1255",
    "windows-1256": "cp1256 windows-1256 x-cp1256",
    "windows-1257": "cp1257 windows-1257 x-cp1257",
    "windows-1258": "cp1258 windows-1258 x-cp1258",
    "x-mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030",
    "Big5": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "EUC-JP": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "ISO-2022-JP": "csiso2022jp iso-2022-jp",
    "Shift_JIS": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "EUC-KR": (
        "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949"
    ),
    "UTF-16BE": "unicodefffe utf-16be",
    "UTF-16LE": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
    "x-user-defined": "x-user-defined",
    # Browsers show nothing of these, because their bytes can hide scripts from filters.
    "replacement": "csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr replacement",
}
"""The standard's table, with GBK under gb18030, which decodes it."""

_NAMES = {label: name for name, labels in _LABELS.items() for label in labels.split()}

_CODECS = {name: name for name in _LABELS} | {
    # Python's codecs that know the characters that vendors added, as the standard's do.
    "windows-874": "cp874",
    "Shift_JIS": "cp932",
    "EUC-KR": "cp949",
    "Big5": "big5hkscs",
    "ISO-2022-JP": "iso2022_jp_ext",
    "ISO-8859-8-I": "iso-8859-8",
    "x-mac-cyrillic": "mac-cyrillic",
    # Its bytes have no meaning outside a script of the page; a <meta> that names it means this one.
    "x-user-defined": "cp1252",
    # Not the WHATWG's, but plain text comes with its mark.
    "UTF-32LE": "utf-32-le",
    "UTF-32BE": "utf-32-be",
}

_MARKS = {
    # UTF-32 first, because its mark starts with that of UTF-16.
    codecs.BOM_UTF32_LE: "UTF-32LE",
    codecs.BOM_UTF32_BE: "UTF-32BE",
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF16_LE: "UTF-16LE",
    codecs.BOM_UTF16_BE: "UTF-16BE",
}

_WIDE = {"utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE", "utf-32-le": "UTF-32LE", "utf-32-be": "UTF-32BE"}
_MULTIBYTE = {
    "gb18030": "gb18030",
    "big5hkscs": "Big5",
    "cp932": "Shift_JIS",
    "cp949": "EUC-KR",
    "euc_jis_2004": "EUC-JP",
    "iso2022_jp_2": "ISO-2022-JP",
}
_LATIN = {
    "cp1252": "windows-1252",
    "cp1250": "windows-1250",
    "cp1254": "windows-1254",
    "cp1257": "windows-1257",
    "cp1258": "windows-1258",
    "iso8859-2": "ISO-8859-2",
    "iso8859-15": "ISO-8859-15",
    "iso8859-16": "ISO-8859-16",
    "mac-roman": "macintosh",
}
_OTHER_SCRIPTS = {
    "cp1251": "windows-1251",
    "koi8-r": "KOI8-R",
    "koi8-u": "KOI8-U",
    "cp866": "IBM866",
    "iso8859-5": "ISO-8859-5",
    "mac-cyrillic": "x-mac-cyrillic",
    "cp1253": "windows-1253",
    "iso8859-7": "ISO-8859-7",
    "cp1255": "windows-1255",
    "cp1256": "windows-1256",
    "iso8859-6": "ISO-8859-6",
    "cp874": "windows-874",
}
"""What may be guessed: chardet's names and the WHATWG's."""

_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_SHIFT_TO_JAPANESE = re.compile(rb"\x1b\$[@B]")
_USUAL = re.compile("[\t\n\r -~\u3000-\u303f\uff00-\uffef]")
"""ASCII, and what stands between the words of Chinese and Japanese."""
_ODD_CATEGORIES = {"Cc", "Cn", "Co", "Cs"}
_SHORT = 32
"""Bytes below which a text in UTF-16 must show that it is one, by blanks or marks."""
_SHORTEST = 8
"""Bytes below which control characters in a text say nothing about its encoding."""
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CONTROL_BYTES = re.compile(_CONTROLS.pattern.encode())


def named(label: str) -> Encoding | None:
    """The encoding that browsers take `label` for; None if they do not know it. Raises UnknownEncoding."""
    name = _NAMES.get(label.strip("\t\n\f\r ").lower())
    if name == "replacement":
        raise UnknownEncoding(f"it is in {label}, which browsers do not read either; save it as UTF-8")
    return Encoding(name) if name else None


def by_label(label: str) -> Encoding:
    """As `named`, but raises UnknownEncoding also for a label that browsers do not know."""
    encoding = named(label)
    if encoding is None:
        raise UnknownEncoding(f"its encoding {label!r} is not known")
    return encoding


def decoded_words(text: str) -> str:
    """The text with its encoded words (RFC 2047) decoded; as it stands if one cannot be."""
    try:
        words = [(word, charset) for word, charset in decode_header(text) if isinstance(word, bytes)]
        # Pieces that are not encoded words are raw-unicode-escape bytes in decode_header's reply. After an asterisk
        # stands the language (RFC 2231).
        return (
            "".join(
                by_label(charset.partition("*")[0]).decode(word) if charset else word.decode("raw-unicode-escape")
                for word, charset in words
            )
            or text
        )
    except (HeaderParseError, ValueError, UnknownEncoding):
        return text


def of_file(file: BinaryIO, *, declared: str = "", html: bool = False) -> Encoding:
    """The encoding of a file, which is left at its start. `declared` is the label that the protocol gives, if any.

    Raises UnknownEncoding.
    """
    start = file.read(PRESCAN_BYTES)
    encoding = _declared(start, declared, html)
    if encoding is None:
        file.seek(0)
        encoding = _found(iter(lambda: file.read(_PIECE), b""))
    file.seek(0)
    return encoding


def of_bytes(content: bytes, *, declared: str = "", html: bool = False) -> Encoding:
    """As `of_file`, for bytes in memory."""
    return of_file(io.BytesIO(content), declared=declared, html=html)


def _declared(start: bytes, declared: str, html: bool) -> Encoding | None:
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return Encoding(name)
    return named(declared) or (_prescanned(start) if html else None)


def _found(pieces: Iterator[bytes]) -> Encoding:
    """UTF-8 if the bytes are, else a guess from what stands near the bytes that are not ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    first, sample = b"", b""
    readable = broken = 0
    for piece in pieces:
        first = first or piece
        text = decoder.decode(piece)
        if not piece.isascii():
            broken += text.count(UNREADABLE) - piece.count(UNREADABLE.encode())
            readable += len(text) - len(text.encode("ascii", "ignore"))
            if len(sample) < SAMPLE_BYTES:
                sample += _near_high_bytes(piece)
    broken += len(decoder.decode(b"", final=True))
    if b"\0" in first:
        if encoding := _utf_16(first):
            return encoding
        with suppress(UnknownEncoding):
            encoding = _guessed(first, _WIDE)
            # These have few marks of their own: a weak guess is a file that is no text.
            if (encoding.confidence or 0) >= 0.5:
                return encoding
        raise UnknownEncoding("it is not text: it contains zero bytes")
    if _every_second_byte_is_one_control(first) and (encoding := _utf_16(first)):
        return encoding
    if _SHIFT_TO_JAPANESE.search(first) and not readable:
        return _guessed(first, {"iso2022_jp_2": "ISO-2022-JP"})
    # Damaged UTF-8 is UTF-8. In other encodings hardly any bytes form its characters.
    if readable - broken >= 3 * broken:
        return Encoding("UTF-8")
    try:
        return _guessed(sample[:SAMPLE_BYTES], _candidates(sample))
    except UnknownEncoding:
        # Chinese or Japanese without a line end has no zero byte.
        if encoding := _utf_16(first):
            return encoding
        raise


def _every_second_byte_is_one_control(start: bytes) -> bool:
    """As in UTF-16 of a script whose bytes are all ASCII: Thai is 0x0E and a letter."""
    if len(start) < _SHORTEST:
        return False
    controls = [
        each
        for half in (start[0::2], start[1::2])
        for each, count in Counter(half).most_common(1)
        if 10 * count >= 9 * len(half) and _CONTROL_BYTES.match(bytes([each]))
    ]
    # Where both halves have one, it is no text in UTF-16.
    return len(controls) == 1


def _utf_16(start: bytes) -> Encoding | None:
    """UTF-16 without a mark. In the wrong order of bytes a text is full of characters that nobody uses."""
    found: list[tuple[float, float, float, str]] = []
    for name in ("UTF-16LE", "UTF-16BE"):
        with suppress(UnicodeDecodeError):
            # A character of two units may end in the next piece.
            text = codecs.getincrementaldecoder(name)().decode(start, final=len(start) < _PIECE)
            usual = len(_USUAL.findall(text)) / max(len(text), 1)
            odd = sum(unicodedata.category(each) in _ODD_CATEGORIES and each not in "\t\n\r\f" for each in text)
            # The characters of one script are near to one another; in the wrong order they are anywhere.
            blocks = Counter(ord(each) >> 8 for each in text)
            coherence = max(blocks.values(), default=0) / max(len(text), 1)
            found.append((odd / max(len(text), 1), -usual, -coherence, name))
    if not found or min(found)[0] > 0.01:
        return None
    (odd, usual, _, name), *others = sorted(found)
    if len(start) < _SHORT and not usual:
        return None
    # Both orders can look right, if the text is short.
    return Encoding(name, max(-usual, others[0][0] - odd if others else 0.9, 0.5))


def _near_high_bytes(piece: bytes) -> bytes:
    """The bytes that are not ASCII, with up to a hundred of their line before and after each of them."""
    near, end = [], 0
    for run in _HIGH_BYTES.finditer(piece):
        before = max(run.start() - 100, end)
        start = piece.rfind(b"\n", before, run.start()) + 1 or before
        line_end = piece.find(b"\n", run.end(), run.end() + 100) + 1
        end = max(end, line_end or min(run.end() + 100, len(piece)))
        near.append(piece[start:end])
    return b"".join(near)


def _candidates(sample: bytes) -> dict[str, str]:
    """Without the scripts that a text cannot be in: Latin text has letters beyond ASCII one at a time."""
    runs = _HIGH_BYTES.findall(sample)
    is_latin = sum(map(len, runs)) < 1.6 * len(runs)
    return _MULTIBYTE | _LATIN | ({} if is_latin else _OTHER_SCRIPTS)


def _guessed(sample: bytes, candidates: dict[str, str]) -> Encoding:
    # Not at the top: it takes 40 ms, and nearly all text is UTF-8.
    import chardet

    found = chardet.detect_all(
        sample,
        ignore_threshold=True,
        compat_names=False,
        encoding_era=chardet.EncodingEra.ALL,
        include_encodings=list(candidates),
        no_match_encoding="cp1252" if "cp1252" in candidates else next(iter(candidates)),
        max_bytes=SAMPLE_BYTES,
    )
    best = found[0]
    # Of two that are nearly equal, the one that is far more frequent on the web.
    close = [each for each in found if each["encoding"] == "cp1252" and each["confidence"] > 0.8 * best["confidence"]]
    best = close[0] if close else best
    name = candidates.get(best["encoding"] or "")
    if name is None:
        raise UnknownEncoding("it is not text in any encoding that can be told")
    encoding = Encoding(name, best["confidence"])
    text = encoding.decode(sample)
    if len(_CONTROLS.findall(text)) + text.count(UNREADABLE) > len(text) // 100:
        raise UnknownEncoding("it is not text in any encoding that can be told")
    return encoding


_SKIPPED = re.compile(
    rb"<!---?>|<!--.*?(?:--!?>|\Z)|<(script|style|title|textarea|xmp|noembed|noframes)\b.*?(?:</\1|\Z)|<[!/?][^>]*(?:>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(rb"<([a-z][^\s/>]*)((?:\s|/|[^\s/>=\"']+|=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]*)|[\"'])*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    rb"""([^\s/>=][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?""", re.IGNORECASE | re.DOTALL
)
_CHARSET = re.compile(rb"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"']+))", re.IGNORECASE)
_XML = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"'>]+)[\"'][^>]*>")


def _prescanned(start: bytes) -> Encoding | None:
    """What the page's first <meta> with an encoding names, else its XML declaration."""
    if start.startswith(b"<\0?\0x\0"):
        return Encoding("UTF-16LE")
    if start.startswith(b"\0<\0?\0x"):
        return Encoding("UTF-16BE")
    position = 0
    while (position := start.find(b"<", position)) >= 0:
        if skipped := _SKIPPED.match(start, position):
            position = skipped.end()
        elif tag := _TAG.match(start, position):
            position = tag.end()
            if tag[1].lower() == b"meta" and (encoding := _of_meta(tag[2])):
                return _as_bytes_can_be(encoding)
        else:
            position += 1
    xml = _XML.match(start)
    encoding = named(xml[1].decode("latin-1")) if xml else None
    return encoding and _as_bytes_can_be(encoding)


def _of_meta(attributes: bytes) -> Encoding | None:
    # Of an attribute that is there twice, the first counts.
    values = {name.lower(): b"".join(value) for name, *value in reversed(_ATTRIBUTE.findall(attributes))}
    label = values.get(b"charset")
    if label is None and values.get(b"http-equiv", b"").lower() == b"content-type":
        charset = _CHARSET.search(values.get(b"content", b""))
        label = charset and b"".join(each or b"" for each in charset.groups())
    return named(label.decode("latin-1")) if label else None


def _as_bytes_can_be(encoding: Encoding) -> Encoding:
    """A page whose ASCII could be read is not in UTF-16, whatever it says."""
    if encoding.name in ("UTF-16LE", "UTF-16BE"):
        return Encoding("UTF-8")
    return Encoding("windows-1252") if encoding.name == "x-user-defined" else encoding


def _repaired(error: UnicodeError) -> tuple[str, int]:
    """Decodes what the standard knows and Python's codecs do not; what nobody knows becomes UNREADABLE."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    byte, codec = error.object[error.start], error.encoding.lower().replace("-", "_")
    pair = error.object[error.start : error.start + 2]
    if codec == "gb18030" and byte == 0x80:
        return "€", error.start + 1
    if codec == "charmap" and 0x80 <= byte < 0xA0:
        # The standard's tables have the C1 controls where Windows has nothing.
        return chr(byte), error.start + 1
    if codec.startswith("iso2022_jp") and len(pair) == 2 and min(pair) > 0x20 and max(pair) < 0x7F:
        pair = bytes(each | 0x80 for each in pair)
    if codec.startswith(("euc_jp", "iso2022_jp")) and len(pair) == 2 and min(pair) > 0xA0:
        # Characters that NEC and IBM added, which Python's cp932 has.
        with_vendors = _shift_jis(pair).decode("cp932", "replace")
        if UNREADABLE not in with_vendors:
            return with_vendors, error.start + 2
    return codecs.replace_errors(error)


def _shift_jis(pair: bytes) -> bytes:
    """The bytes of an EUC-JP pair in Shift_JIS."""
    row, cell = pair[0] - 0xA1, pair[1] - 0xA1
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + 0x9F if row % 2 else cell + 0x40 + (cell >= 63)
    return bytes([lead, trail])


codecs.register_error(_ERRORS, _repaired)
