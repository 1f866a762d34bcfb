"""The title of a page, and where its links lead."""

from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin


def title_and_links(url: str, page: str) -> tuple[str, list[str]]:
    """The title of the page at `url`, and the addresses of its links, each once and without its fragment."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    base = _join(url, reader.base) or url
    links = (_join(base, href) for href in reader.hrefs)
    return reader.title, list(dict.fromkeys(link for link in links if link))


class _Reader(HTMLParser):
    """Collects what the page says: `base` and `hrefs` may be relative."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base = ""
        self.hrefs: list[str] = []
        self._title: list[str] = []
        self._title_is_open = False
        self._title_for_others = ""

    @property
    def title(self) -> str:
        """Without a title of its own, the one that the page tells those who show a link to it."""
        return " ".join("".join(self._title).split()) or self._title_for_others

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: (value or "").strip() for name, value in attrs}
        href = attributes.get("href", "")
        if tag == "title":
            # Pictures may have titles, too: the first one is that of the page.
            self._title_is_open = not self._title
        elif tag == "meta" and attributes.get("property") == "og:title":
            self._title_for_others = attributes.get("content", "")
        elif tag == "base" and href:
            self.base = self.base or href
        elif tag == "a" and href:
            self.hrefs.append(href)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._title_is_open = False

    def handle_data(self, data: str) -> None:
        if self._title_is_open:
            self._title.append(data)


def _join(base: str, href: str) -> str | None:
    """None for what is no address, such as `http://[`."""
    try:
        return urldefrag(urljoin(base, href)).url
    except ValueError:
        return None
