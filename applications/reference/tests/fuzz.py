"""Sends damaged documents through the parsing process: each is read or refused, within the limits.

    python -m tests.fuzz --documents 10000 --seed 1 [--kind docx]

A process that has imported the parsers forks one for each document, since starting Python takes longer than parsing.
What runs there is the whole parsing process: its limits, its protocol, its exit status. What runs here is what the
server does with it. Document number N of seed S is the same in every run.
"""

import argparse
import gc
import io
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError, SubElement, fromstring, tostring

from archon_server import extraction
from archon_server.extraction import UnreadableFile
from archon_server.extraction import __main__ as parsing
from archon_server.passages import split_into_passages

from . import files

CPU_SECONDS = 20
"""What a small document may take of the 180 s that the server allows."""
MAX_SIZE = 200_000
SHARE = 500
"""Documents that a worker takes at a time."""

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_WORD = """
<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>otters</w:t></w:r></w:p>
<w:p><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>listed</w:t></w:r></w:p>
<w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>
<w:r><w:footnoteReference w:id="2"/><w:sym w:font="Symbol" w:char="F061"/><w:tab/><w:noBreakHyphen/></w:r>
<w:r><w:ruby><w:rt><w:r><w:t>b</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>a</w:t></w:r></w:rubyBase></w:ruby></w:r></w:p>
"""
_NUMBERING = """
<w:abstractNum w:abstractNumId="7">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerRoman"/><w:lvlText w:val="%1.%2."/></w:lvl>
</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="7"/>
<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>
"""
_STYLES = '<w:style w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="A"/></w:style>'


def _word() -> bytes:
    return files.zipped(
        {
            "_rels/.rels": files.relationships(("r1", "officeDocument", "word/document.xml")),
            "word/document.xml": f"<w:document {_W}><w:body>{_WORD}</w:body></w:document>",
            "word/_rels/document.xml.rels": files.relationships(
                *((kind[0], kind, f"{kind}.xml") for kind in ("numbering", "styles", "footnotes"))
            ),
            "word/numbering.xml": f"<w:numbering {_W}>{_NUMBERING}</w:numbering>",
            "word/styles.xml": f"<w:styles {_W}>{_STYLES}</w:styles>",
            "word/footnotes.xml": f'<w:x {_W}><w:footnote w:id="2">{files.paragraph("note")}</w:footnote></w:x>',
        }
    )


_ODF_STYLES = """<text:list-style style:name="N">
<text:list-level-style-number text:level="1" style:num-format="i" style:num-suffix="."/></text:list-style>"""
_ODF = """<text:h text:outline-level="2">otters</text:h>
<text:list text:style-name="N"><text:list-item><text:p>one<text:s text:c="3"/><text:span>two</text:span></text:p>
</text:list-item></text:list><text:p>See<text:note><text:note-citation>1</text:note-citation><text:note-body>
<text:p>note</text:p></text:note-body></text:note><text:ruby><text:ruby-base>a</text:ruby-base><text:ruby-text>b
</text:ruby-text></text:ruby></text:p><table:table table:name="T"><table:table-row table:number-rows-repeated="2">
<table:table-cell table:number-columns-repeated="3"><text:p>cell</text:p></table:table-cell></table:table-row>
</table:table>"""


def _slides() -> bytes:
    numbered = '<a:p><a:pPr lvl="1"><a:buAutoNum type="arabicPeriod" startAt="3"/></a:pPr><a:r><a:t>x</a:t></a:r></a:p>'
    cell = "<a:tc><a:p><a:r><a:t>cell</a:t></a:r></a:p></a:tc>"
    formula = "<m:d><m:e><m:r><m:t>a+b</m:t></m:r></m:e></m:d><m:sup><m:r><m:t>2</m:t></m:r></m:sup>"
    return files.pptx(
        files.shape("otters", kind="title") + files.shape(numbered) + f"<a:p>{formula}</a:p>",
        f"<p:graphicFrame><a:tbl><a:tr>{cell}</a:tr></a:tbl></p:graphicFrame>",
        parts={"ppt/notesSlides/n1.xml": f"<p:notes {files.OFFICE}>{files.shape('said', kind='body')}</p:notes>"},
        related={1: files.relationships(("n", "notesSlide", "../notesSlides/n1.xml"))},
    )


def _workbook() -> bytes:
    cells = '<c t="s"><v>0</v></c><c s="1"><v>45356.5</v></c><c t="inlineStr"><is><t>in</t></is></c><c><f>A1</f></c>'
    formats = '<numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/></numFmts>'
    return files.xlsx(
        {"Sea": f"<row>{cells}</row>" * 3, "Land": ""},
        strings="<si><t>otters</t></si>",
        styles=f'{formats}<cellXfs><xf/><xf numFmtId="164"/></cellXfs>',
    )


_MESSAGE = b"""Subject: =?utf-8?B?5oql5ZGK?=
From: Ann <a@x>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: multipart/alternative; boundary="c"

--c
Content-Type: text/plain; charset=gb2312
Content-Transfer-Encoding: base64

1uzpRrv5
--c
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<h1>caf=C3=A9</h1><p>=
kelp
--c--
--b
Content-Type: message/rfc822

Subject: old

forwarded
--b
Content-Disposition: attachment; filename*=utf-8''%E6%8A%A5.pdf

x
--b--
"""
_RTF = rb"""{\rtf1\ansi\ansicpg1252\uc1{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset128 MS;}}
{\stylesheet{\s1 heading 1;}}\pard\s1 Otters\par\pard\f1 \'93\'8c\u20140?{\b kelp}{\super 2}{\footnote note}\par
{\pict\bin4 {{}}}
\trowd a\cell b\cell\row{\field{\*\fldinst x}{\fldrslt link}}{\*\shpinst{\shptxt box\par}}}"""
_HTML = b"""<!doctype html><meta charset=utf-8><h1>Otters</h1><ul><li>kelp<li>urchins</ul><nav>menu</nav>
<table><tr><td>a<td>b</table><pre><code class=language-x>x</code></pre><ruby>a<rt>b</ruby><sup>2</sup><!-- c -->
<script>x</script><svg><title>x</title></svg><p>a<br>b&eacute;&#233;</p>"""
_RST = b"Otters\n======\n\nkelp::\n\n   code\n\n.. code-block:: python\n\n   x\n\nA\n-\n\n* b\n"

SEEDS: dict[str, Callable[[], bytes]] = {
    "pdf": lambda: files.pdf(
        ["Otters sleep", "kelp"],
        bookmarks=["Sleep"],
        annotations=[{"Subtype": "/Widget", "T": "a", "V": "b"}],
        picture=True,
    ),
    "docx": _word,
    "pptx": _slides,
    "xlsx": _workbook,
    "odt": lambda: files.odf(_ODF, styles=_ODF_STYLES),
    "fodt": lambda: files.flat_odf(_ODF, styles=_ODF_STYLES).encode(),
    "epub": lambda: files.epub({"a.xhtml": "<h1>One</h1><p>kelp</p>", "b.xhtml": _HTML}),
    "rtf": lambda: _RTF,
    "eml": lambda: _MESSAGE,
    "html": lambda: _HTML,
    "rst": lambda: _RST,
}
_ZIPPED = {"docx", "pptx", "xlsx", "odt", "epub"}

_TOKENS = [
    *(b"\0", b"\xff\xfe", b"\xef\xbf\xbd", b"\x1e!\n", b"\x1e99\n", b"<", b">", b"</", b"/>", b"&#x110000;", b"&amp"),
    *(b"]]>", b"<!--", b"-->", b'"', b"'", b"99999999999999999999", b"-1", b"0", b"1e400", b"\\", b"{", b"}", b"\\'"),
    *(b"\\u-1?", b"\\bin9999999 ", b"\\uc99 ", b"{\\*", b"\\footnote ", b"\\par ", b"<w:p>", b"</w:p>", b"<text:p>"),
    *(b"<table>", b"<pre>", b"<ruby><rt>", b"<nav>", b"<svg>", b"obj", b"endobj", b"stream\n", b"<<", b">>"),
    *(
        b"/Kids [1 0 R]",
        b"/Length 99999999",
        b"--b\n",
        b"--c--\n",
        b"::\n\n  ",
        b"=====\n",
        b"\n\n",
        b"\r",
        b"\x80\x81",
    ),
    *("東京\u0301".encode(), b'<!DOCTYPE x [<!ENTITY a "b">]>', b"&a;"),
]
_VALUES = ["", "0", "-1", "1", "9", "65535", "2147483648", "9" * 30, "1e400", "nan", "%1%2%9", "../../x", "x" * 5000]
_NUMBER = re.compile(rb"\d+")


def mutated(chance: random.Random, content: bytes) -> bytes:
    """The content with one to eight damages."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        start = chance.randrange(len(data) + 1)
        end = min(start + chance.choice([1, 4, 30, 200]), len(data))
        match chance.randrange(8):
            case 0:
                data[start:end] = b""
            case 1:
                data[start:start] = chance.choice(_TOKENS) * chance.choice([1, 1, 2, 100, 3000])
            case 2:
                data[start:end] = data[start:end] * chance.choice([2, 5, 300])
            case 3:
                data[start:end] = chance.randbytes(end - start)
            case 4 if numbers := list(_NUMBER.finditer(data)):
                number = chance.choice(numbers)
                data[number.start() : number.end()] = chance.choice([b"0", b"-1", b"65535", b"2147483648", b"9" * 30])
            case 5:
                other = chance.randrange(len(data) + 1)
                data[start:start] = data[other : other + chance.choice([10, 100, 1000])]
            case 6 if chance.random() < 0.2:
                del data[start:]
            case _:
                if start < len(data):
                    data[start] ^= 1 << chance.randrange(8)
        del data[MAX_SIZE:]
    return bytes(data)


def mutated_xml(chance: random.Random, content: bytes) -> bytes:
    """As `mutated`, but mostly XML all the same: its elements change, or stand elsewhere, or are there many times."""
    try:
        root = fromstring(content)
    except ParseError:
        return mutated(chance, content)
    if chance.random() < 0.15:
        return mutated(chance, content)
    for _ in range(chance.randint(1, 8)):
        elements = list(root.iter())
        one, other = chance.choice(elements), chance.choice(elements)
        parent = next((each for each in elements if one in each), root)
        match chance.randrange(7):
            case 0 if one is not root:
                parent.remove(one)
            case 1 if one is not root and len(elements) < 2000:
                parent.extend([one] * chance.choice([1, 3, 300]))
            case 2 if one not in list(other.iter()) and other not in list(one.iter()):
                parent.remove(one)
                other.append(one)
            case 3 if one.attrib:
                one.set(chance.choice(list(one.attrib)), chance.choice(_VALUES))
            case 4:
                one.tag = other.tag
            case 5:
                one.text = chance.choice([*_VALUES, "東京\u0301\n#", "<![CDATA["])
            case 6 if len(elements) < 2000:
                for _ in range(chance.choice([1, 10, 1000])):
                    parent = SubElement(parent, one.tag, one.attrib)
    if sum(1 for _ in root.iter()) > 20_000:
        return content
    # Elements that nest deeply are written by recursion. The parsers get the usual limit.
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        return tostring(root)
    finally:
        sys.setrecursionlimit(limit)


def mutated_archive(chance: random.Random, content: bytes) -> bytes:
    """As `mutated`, mostly inside the parts of an archive: its checksums would refuse the rest."""
    if chance.random() < 0.1:
        return mutated(chance, content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name in chance.sample(list(parts), chance.randint(1, min(2, len(parts)))):
        parts[name] = mutated_xml(chance, parts[name])
    if chance.random() < 0.1:
        name = chance.choice([*parts, "word\\document.xml", "../x", "content.xml"])
        parts[name] = parts.pop(chance.choice(list(parts)))
    return files.zipped(parts)


@cache
def _seed(kind: str) -> bytes:
    return SEEDS[kind]()


def document(kind: str, seed: int, number: int) -> bytes:
    chance = random.Random(f"{seed} {kind} {number}")
    content = _seed(kind)
    mutate = mutated_archive if kind in _ZIPPED else mutated_xml if kind == "fodt" else mutated
    return mutate(chance, content)


class _Forked:
    """A parsing process, with the part of Popen's interface that the server uses."""

    last: "_Forked"

    def __init__(self, arguments: Sequence[str], stdin: Any, stderr: Any) -> None:
        reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            for source, target in ((stdin.fileno(), 0), (writing, 1), (stderr.fileno(), 2)):
                os.dup2(source, target)
            os.closerange(3, 64)
            sys.stdin = os.fdopen(0)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8") for number in (1, 2))
            status = parsing.main(*arguments)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        os.close(writing)
        self.stdout = os.fdopen(reading, encoding="utf-8")
        self.status: int | None = None
        self.rss = 0
        _Forked.last = self

    def wait(self) -> int:
        if self.status is None:
            _, status, usage = os.wait4(self._pid, 0)
            self.status, self.rss = os.waitstatus_to_exitcode(status), usage.ru_maxrss
        return self.status

    def kill(self) -> None:
        if self.status is None:
            os.kill(self._pid, signal.SIGKILL)


@dataclass
class Result:
    """What became of some documents of a kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0
    rss: int = 0
    """In KiB, of the largest process."""
    failures: list[str] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        self.outcomes += other.outcomes
        self.slowest, self.rss = max(self.slowest, other.slowest), max(self.rss, other.rss)
        self.failures += other.failures


def fuzz(kind: str, seed: int, numbers: range) -> Result:
    """Runs in a worker of its own, because it replaces how the server starts the parsing process."""
    extraction.subprocesses.start = lambda _, *arguments, stdin, stdout, stderr: _Forked(arguments, stdin, stderr)
    parsing.CPU_SECONDS = CPU_SECONDS
    parsing.parser(extraction.kind_of(f"a.{kind}", b"") or "")
    signal.signal(signal.SIGALRM, _too_long)
    # Else the collector would write to pages that the processes share.
    gc.freeze()
    result = Result()
    for number in numbers:
        with tempfile.TemporaryFile() as file:
            file.write(document(kind, seed, number))
            file.flush()
            started = time.monotonic()
            signal.alarm(3 * CPU_SECONDS)
            try:
                outcome = _read(file, f"a.{kind}")
            except Exception as error:
                outcome = "failed"
                result.failures.append(f"{kind} {number} of seed {seed}: {type(error).__name__}: {error}")
            signal.alarm(0)
        result.outcomes[outcome] += 1
        result.slowest = max(result.slowest, time.monotonic() - started)
        result.rss = max(result.rss, _Forked.last.rss)
    return result


def _read(file: Any, name: str) -> str:
    """As an upload is read. Anything but UnreadableFile would be an internal error of the server."""
    markdown = extraction.is_markdown(file, name)
    try:
        text = (line.text for line in extraction.lines(file, name, os.fstat(file.fileno()).st_size))
        passages = sum(1 for _ in split_into_passages(text, markdown=markdown))
    except UnreadableFile as error:
        if "within the limits" in str(error):
            raise RuntimeError(str(error).partition("; allowed")[0]) from error
        return "refused"
    return "read" if passages else "empty"


def _too_long(*_: object) -> None:
    raise TimeoutError("it hangs")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=500, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=SEEDS, action="append", help="default: all")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--save", type=Path, help="a directory for the documents that failed")
    arguments = parser.parse_args()
    shares = [range(start, min(start + SHARE, arguments.documents)) for start in range(0, arguments.documents, SHARE)]
    failures = []
    print(f"{'':6}{'read':>8}{'empty':>8}{'refused':>8}{'failed':>8}{'slowest':>10}{'memory':>10}")
    with ProcessPoolExecutor(arguments.workers) as workers:
        for kind in arguments.kind or SEEDS:
            result = Result()
            for each in [workers.submit(fuzz, kind, arguments.seed, share) for share in shares]:
                result.add(each.result())
            counts = "".join(f"{result.outcomes[name]:>8}" for name in ("read", "empty", "refused", "failed"))
            print(f"{kind:6}{counts}{result.slowest:>8.2f} s{result.rss // 1024:>6} MiB", flush=True)
            failures += result.failures
            for failure in result.failures if arguments.save else []:
                number = failure.split()[1]
                (arguments.save / f"{number}.{kind}").write_bytes(document(kind, arguments.seed, int(number)))
    print("\n".join(failures[:50]) or "Every document was read or refused within the limits.")
    print(f"The server's side: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MiB at most")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
