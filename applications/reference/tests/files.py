"""Makes small real files to upload."""

import io
import zipfile
from collections.abc import Sequence

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject


def pdf(pages: Sequence[str], *, bookmarks: Sequence[str] = (), password: str | None = None) -> bytes:
    """A PDF with one line of Helvetica per page, and a bookmark for each of the first pages."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(612, 792)
        content = DecodedStreamObject()
        shown = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        content.set_data(f"BT /F1 12 Tf 72 720 Td ({shown}) Tj ET".encode("latin-1"))
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        page[NameObject("/Contents")] = writer._add_object(content)
    for number, title in enumerate(bookmarks):
        writer.add_outline_item(title=title, page_number=number)
    if password is not None:
        writer.encrypt(password, "owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


_NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(body: str, *, prologue: str = "", styles: str = "", parts: Sequence[str] = ("word/document.xml",)) -> bytes:
    """A Word document with this XML as its body."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            archive.writestr(part, f"{prologue}<w:document {_NAMESPACE}><w:body>{body}</w:body></w:document>")
        if styles:
            archive.writestr("word/styles.xml", f"<w:styles {_NAMESPACE}>{styles}</w:styles>")
    return out.getvalue()


def docx_bomb(size: int, part: str = "word/document.xml") -> bytes:
    """A Word document of some hundred kilobytes, one part of which decompresses to `size` bytes of XML."""
    out = io.BytesIO()
    piece = b" " * 1024 * 1024
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if part != "word/document.xml":
            archive.writestr("word/document.xml", f"<w:document {_NAMESPACE}>{paragraph('otter')}</w:document>")
        with archive.open(part, "w", force_zip64=True) as bomb:
            bomb.write(b"<a>")
            for _ in range(size // len(piece) + 1):
                bomb.write(piece)
            bomb.write(b"</a>")
    return out.getvalue()
