"""The text of a message (.eml), with those that it forwards, or of a web page that is saved as one (.mht)."""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from email import message_from_binary_file, message_from_bytes, policy
from email.message import Message
from typing import BinaryIO

from . import LeftOut, Refused, encodings, escape_markdown
from .encodings import Encoding
from .html import Converter

_HEADERS = ("From", "To", "Cc", "Date")
_UNSHOWN = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature", "text/css"}
"""Parts that no reader shows."""

_TEXTS = {"text/plain", "text/html", "text/enriched", "text/markdown", "text/rfc822-headers"}

_ENCRYPTED = {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
_MAX_NAMES = 20
_UUENCODED = re.compile(r"^begin [0-7]{3,4} (.+)\n(?:[!-`][ -`]{1,84}\n)+(?:[` ]?\n)?end[ \t]*$", re.MULTILINE)
"""A file within a text, from before there was MIME."""


def markdown(file: BinaryIO) -> Iterator[str | LeftOut | Encoding]:
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    # Headers are decoded here, since this policy keeps bytes that are not ASCII.
    message = message_from_binary_file(file, policy=policy.compat32)
    if not message.keys():
        raise Refused("it is not a message: it has no header")
    left_out: Counter[str] = Counter()
    attachments: list[str] = []
    yield from _message(message, left_out, attachments)
    if attachments:
        names = ", ".join(attachments[:_MAX_NAMES]) + (", ..." if len(attachments) > _MAX_NAMES else "")
        yield LeftOut(f"attachments ({names}): upload them by themselves")
    yield from (LeftOut(f"{what} ({count})") for what, count in sorted(left_out.items()))


def _message(
    message: Message, left_out: Counter[str], attachments: list[str], level: int = 1
) -> Iterator[str | Encoding]:
    if subject := _header(message, "Subject"):
        yield f"\n{'#' * min(level, 6)} {subject}\n\n"
    fields = [f"{name}: {value}\n" for name in _HEADERS if (value := _header(message, name))]
    yield "".join([*fields, "\n"])
    yield from _part(message, left_out, attachments, level)


def _part(part: Message, left_out: Counter[str], attachments: list[str], level: int) -> Iterator[str | Encoding]:
    kind = part.get_content_type()
    parts = [each for each in part.get_payload() if isinstance(each, Message)] if part.is_multipart() else []
    if kind in _ENCRYPTED:
        if part.get_param("smime-type") == "signed-data":
            raise Refused("its signature wraps its text; save it without signature")
        raise Refused("it is encrypted; save it without encryption")
    if kind in _UNSHOWN:
        return
    if kind == "message/rfc822" and parts:
        yield from _message(_inner(part, parts[0]), left_out, attachments, level + 1)
    elif kind == "multipart/alternative" and (readable := [each for each in parts if _is_readable(each)]):
        yield from _alternative(readable, left_out, attachments, level)
    elif kind == "multipart/related" and parts:
        root = _root(part, parts)
        yield from _part(root, left_out, attachments, level)
        for each in parts:
            if each is not root and each.get_content_maintype() == "image":
                left_out["images"] += 1
            elif each is not root and (each.is_multipart() or each.get_content_type() == "text/html"):
                # The frames of a page.
                yield from _part(each, left_out, attachments, level)
            elif (
                each is not root
                and each.get_content_maintype() != "text"
                and "javascript" not in each.get_content_type()
            ):
                attachments.append(_name(each))
    elif kind == "message/delivery-status":
        # Each block of fields is a part.
        yield from (f"{name}: {_header(each, name)}\n" for each in parts for name in each.keys())  # noqa: SIM118
        yield "\n"
    elif part.is_multipart() and kind != "message/external-body":
        for each in parts:
            yield from _part(each, left_out, attachments, level)
    elif kind in _TEXTS and not _is_attachment(part):
        yield from _text(part, left_out, attachments, is_html=kind in ("text/html", "text/enriched"))
    else:
        attachments.append(_name(part))


def _inner(part: Message, inner: Message) -> Message:
    """The message that a part forwards, also if a program has encoded all of it, which it must not."""
    if str(part.get("Content-Transfer-Encoding") or "").strip().lower() != "base64" or inner.keys():
        return inner
    inner["Content-Transfer-Encoding"] = "base64"
    content = inner.get_payload(decode=True)
    return message_from_bytes(content, policy=policy.compat32) if isinstance(content, bytes) else inner


def _alternative(
    readable: list[Message], left_out: Counter[str], attachments: list[str], level: int
) -> Iterator[str | Encoding]:
    """The last one says most (RFC 2046), unless it is empty."""
    for each in reversed(readable):
        counted, named = Counter[str](), list[str]()
        pieces = list(_part(each, counted, named, level))
        if any(isinstance(piece, str) and piece.strip() for piece in pieces) or each is readable[0]:
            left_out.update(counted)
            attachments.extend(named)
            yield from pieces
            return


def _is_readable(part: Message) -> bool:
    kind = part.get_content_type()
    return kind in ("text/plain", "text/html") or kind in (
        "multipart/related",
        "multipart/mixed",
        "multipart/alternative",
    )


def _root(related: Message, parts: list[Message]) -> Message:
    """The part that the others belong to."""
    start = str(related.get_param("start") or "").strip("<> ")
    named = (each for each in parts if start and str(each.get("Content-ID", "")).strip("<> ") == start)
    return next(named, parts[0])


def _is_attachment(part: Message) -> bool:
    return part.get_content_disposition() == "attachment"


def _name(part: Message) -> str:
    name = part.get_filename() or ""
    shown = " ".join(encodings.decoded_words(_text_of(name)).split())[:100]
    return shown or part.get_content_type()


def _text(part: Message, left_out: Counter[str], attachments: list[str], *, is_html: bool) -> Iterator[str | Encoding]:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return
    try:
        encoding = encodings.of_bytes(content, declared=str(part.get_param("charset") or ""), html=is_html)
    except encodings.UnknownEncoding as error:
        left_out[f"texts that cannot be decoded: {error}"] += 1
        return
    if encoding.confidence is not None:
        yield encoding
    text = encoding.decode(content)
    if is_html:
        converter = Converter()
        converter.feed(text)
        converter.close()
        left_out.update(converter.left_out)
        yield converter.take()
    else:
        text = "\n".join(text.splitlines())
        attachments.extend(" ".join(name.split())[:100] for name in _UUENCODED.findall(text))
        yield from (f"{escape_markdown(line)}\n" for line in _UUENCODED.sub("", text).splitlines())
    yield "\n"


def _header(message: Message, name: str) -> str:
    raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
    text = encodings.decoded_words(_text_of(re.sub(r"[\r\n]+[ \t]*", " ", str(raw))))
    return " ".join(text.split())


def _text_of(raw: str) -> str:
    """A header, whose bytes beyond ASCII the library keeps as surrogates; the standards know no encoding for them."""
    content = raw.encode("utf-8", "surrogateescape")
    try:
        return encodings.of_bytes(content).decode(content)
    except encodings.UnknownEncoding:
        return content.decode("utf-8", "replace")
