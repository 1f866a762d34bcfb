"""Forms with files whose names are encoded in the ways that clients use.

The multipart library reads `filename="…"` as it stands, as browsers send it. Others send RFC 2047 words in it (.NET),
percent signs, or `filename*` of RFC 5987, which RFC 7578 forbids here and many libraries send all the same.
"""

import re
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from email.policy import HTTP
from typing import Any
from urllib.parse import unquote

from fastapi import Request, Response
from fastapi.routing import APIRoute
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from ..extraction import encodings

_EXTENDED = re.compile(rb";\s*filename\*", re.IGNORECASE)
_PERCENT_UTF8 = re.compile(r"%[89a-f][0-9a-f]", re.IGNORECASE)
# Browsers write these three so, and nothing else.
_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}


class UploadRoute(APIRoute):
    """A route whose form is read by _UploadParser."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_form(request: Request) -> Response:
            return await handle(_FormRequest(request.scope, request.receive))

        return handle_form


class _FormRequest(Request):
    async def _get_form(self, **limits: Any) -> FormData:
        if self._form is None and self.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            try:
                async with aclosing(self.stream()) as stream:
                    self._form = await _UploadParser(self.headers, stream, **limits).parse()
            except MultiPartException as error:
                raise HTTPException(400, error.message) from error
        return await super()._get_form(**limits)


class _UploadParser(MultiPartParser):
    def on_headers_finished(self) -> None:
        part = self._current_part
        disposition = part.content_disposition or b""
        extended = _extended_filename(disposition)
        if extended is not None and b"filename" not in parse_options_header(disposition)[1]:
            # Otherwise the part would count as a field.
            part.content_disposition = disposition + b'; filename=""'
        super().on_headers_finished()
        if part.file is not None:
            part.file.filename = extended or _plain_filename(part.file.filename or "")


def _extended_filename(disposition: bytes) -> str | None:
    """What `filename*` says, also in pieces (`filename*0`); None without one, empty if it cannot be read."""
    if not _EXTENDED.search(disposition):
        return None
    name = HTTP.header_factory("Content-Disposition", disposition.decode("utf-8", "replace")).params.get("filename", "")
    # An unknown charset, or bytes that are not in it.
    return "" if encodings.UNREADABLE in name else name


def _plain_filename(name: str) -> str:
    """What `filename="…"` means: RFC 2047 words and percent-encoded UTF-8 decoded."""
    if "=?" in name:
        name = encodings.decoded_words(name)
    if _PERCENT_UTF8.search(name):
        try:
            return unquote(name, errors="strict")
        except UnicodeDecodeError:
            return name
    return re.sub("%(?:22|0D|0A)", lambda escape: _ESCAPES[escape[0]], name)
