"""Makes small real files to upload."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject, TextStringObject


def pdf(
    pages: Sequence[str],
    *,
    bookmarks: Sequence[str] = (),
    password: str | None = None,
    annotations: Sequence[Mapping[str, str]] = (),
    picture: bool = False,
) -> bytes:
    """A PDF with one line of Helvetica per page, and a bookmark for each of the first pages.

    A page that starts with `BT` is a content stream. Every page has the annotations, whose values that start with `/`
    are names, and the picture.
    """
    writer = PdfWriter()
    font = _dictionary(Type="/Font", Subtype="/Type1", BaseFont="/Helvetica")
    resources = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})})
    if picture:
        image = writer._add_object(DecodedStreamObject())
        image.get_object()[NameObject("/Subtype")] = NameObject("/Image")
        resources[NameObject("/XObject")] = DictionaryObject({NameObject("/I"): image})
    for text in pages:
        page = writer.add_blank_page(612, 792)
        content = DecodedStreamObject()
        shown = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        stream = text if text.startswith("BT") else f"BT /F1 12 Tf 72 720 Td ({shown}) Tj ET"
        content.set_data(stream.encode("latin-1"))
        page[NameObject("/Resources")] = resources
        page[NameObject("/Contents")] = writer._add_object(content)
        page[NameObject("/Annots")] = ArrayObject(writer._add_object(_dictionary(**each)) for each in annotations)
    for number, title in enumerate(bookmarks):
        writer.add_outline_item(title=title, page_number=number)
    if password is not None:
        writer.encrypt(password, "owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _dictionary(**entries: str) -> DictionaryObject:
    return DictionaryObject(
        {
            NameObject(f"/{name}"): NameObject(value) if value.startswith("/") else TextStringObject(value)
            for name, value in entries.items()
        }
    )


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


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    """A ZIP file with these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


_RELATIONSHIP = '<Relationship Id="{id}" Type="urn:x/officeDocument/2006/relationships/{kind}" Target="{target}"/>'


def relationships(*related: tuple[str, str, str]) -> str:
    """The XML of relationships: id, kind and target of each."""
    links = (_RELATIONSHIP.format(id=id_, kind=kind, target=target) for id_, kind, target in related)
    return f"<Relationships>{''.join(links)}</Relationships>"


OFFICE = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)


def pptx(*slides: str, parts: Mapping[str, str] | None = None, related: Mapping[int, str] | None = None) -> bytes:
    """A presentation with these shapes on its slides. `related` is the XML of the slides' relationships."""
    ids = "".join(f'<p:sldId id="{255 + number}" r:id="r{number}"/>' for number in range(1, len(slides) + 1))
    links = [(f"r{number}", "slide", f"slides/slide{number}.xml") for number in range(1, len(slides) + 1)]
    return zipped(
        {
            "_rels/.rels": relationships(("r1", "officeDocument", "ppt/presentation.xml")),
            "ppt/presentation.xml": f"<p:presentation {OFFICE}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
            # In another order than the slides are shown in.
            "ppt/_rels/presentation.xml.rels": relationships(*reversed(links)),
            **{
                f"ppt/slides/slide{number}.xml": f"<p:sld {OFFICE}><p:spTree>{shapes}</p:spTree></p:sld>"
                for number, shapes in enumerate(slides, start=1)
            },
            **{f"ppt/slides/_rels/slide{number}.xml.rels": xml for number, xml in (related or {}).items()},
            **(parts or {}),
        }
    )


def shape(*texts: str, kind: str = "") -> str:
    """A shape with these paragraphs; `kind` is that of a placeholder."""
    placeholder = f'<p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>' if kind else ""
    paragraphs = "".join(
        text if text.startswith("<a:p>") else f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in texts
    )
    return f"<p:sp>{placeholder}<p:txBody>{paragraphs}</p:txBody></p:sp>"


def xlsx(
    sheets: Mapping[str, str],
    *,
    strings: str = "",
    styles: str = "",
    settings: str = "",
    parts: Mapping[str, str] | None = None,
) -> bytes:
    """A workbook with these rows on its sheets."""
    names = "".join(f'<sheet name="{name}" sheetId="{i}" r:id="s{i}"/>' for i, name in enumerate(sheets, start=1))
    links = [(f"s{i}", "worksheet", f"worksheets/sheet{i}.xml") for i in range(1, len(sheets) + 1)]
    return zipped(
        {
            "_rels/.rels": relationships(("r1", "officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f"<workbook {OFFICE}>{settings}<sheets>{names}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": relationships(
                *links, ("t", "sharedStrings", "sharedStrings.xml"), ("y", "styles", "styles.xml")
            ),
            "xl/sharedStrings.xml": f"<sst>{strings}</sst>",
            "xl/styles.xml": f"<styleSheet>{styles}</styleSheet>",
            **{
                f"xl/worksheets/sheet{i}.xml": f"<worksheet {OFFICE}><sheetData>{rows}</sheetData></worksheet>"
                for i, rows in enumerate(sheets.values(), start=1)
            },
            **(parts or {}),
        }
    )


_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_PREFIXES = {name: name for name in ("office", "text", "table", "style", "presentation")}
ODF = " ".join(
    f'xmlns:{prefix}="{_ODF}:{name}:1.0"'
    for prefix, name in (_PREFIXES | {"draw": "drawing", "svg": "svg-compatible"}).items()
)


def odf(body: str, *, styles: str = "", kind: str = "text", parts: Mapping[str, str] | None = None) -> bytes:
    """An OpenDocument file with this XML as its body; `styles` are the automatic ones."""
    main = {"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": flat_odf(body, styles, kind)}
    return zipped(main | dict(parts or {}))


def flat_odf(body: str, styles: str = "", kind: str = "text") -> str:
    """As `odf`, as one XML file."""
    return (
        f"<office:document-content {ODF}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )


def epub(
    chapters: Mapping[str, str | bytes], *, parts: Mapping[str, str] | None = None, spine: Sequence[str] = ()
) -> bytes:
    """A book with these chapters, by their names; `spine` is their order."""
    items = "".join(f'<item id="{name}" href="{quote(name)}" media-type="application/xhtml+xml"/>' for name in chapters)
    order = "".join(f'<itemref idref="{name}"/>' for name in spine or chapters)
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfile full-path="OEBPS/a.opf"/></container>',
            "OEBPS/a.opf": f"<package><manifest>{items}</manifest><spine>{order}</spine></package>",
            **{f"OEBPS/{name}": chapter for name, chapter in chapters.items()},
            **(parts or {}),
        }
    )


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
