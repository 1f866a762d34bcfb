"""Documents that are ZIP files. Which of them a file is, its content decides, because names can be wrong."""

from collections.abc import Iterator
from typing import BinaryIO
from zipfile import ZipFile

from . import LeftOut, Refused, epub, odf
from .archive import Start, refusing
from .encodings import Encoding
from .office import docx, pptx, xlsx
from .office.opc import Package

_OFFICE = {"document": docx.markdown, "presentation": pptx.markdown, "workbook": xlsx.markdown}
"""By the root element of the main part."""


def markdown(file: BinaryIO) -> Iterator[str | int | LeftOut | Encoding]:
    with refusing(), ZipFile(file) as archive:
        yield from _read(Package(archive))


def _read(package: Package) -> Iterator[str | int | LeftOut | Encoding]:
    if package.has("META-INF/container.xml"):
        return epub.markdown(package)
    if package.has("content.xml"):
        return odf.markdown(package)
    if package.main_part:
        roots = (token.name for token in package.tokens(package.main_part) if isinstance(token, Start))
        if read := _OFFICE.get(next(roots, "")):
            return read(package)
    raise Refused("it is a ZIP file without a document in it; unpack it and upload its files")
