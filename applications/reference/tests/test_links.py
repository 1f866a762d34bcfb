"""The title and the links of a page."""

import pytest

from archon_server.crawling.links import title_and_links

URL = "http://zoo.example/animals/"


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title> All  about\notters &amp; kelp</title>", "All about otters & kelp"),
        ("<TITLE>Otters</TITLE><body><svg><title>A picture</title></svg>", "Otters"),
        ("<meta property='og:title' content='Otters'><p>x", "Otters"),
        ("<title> </title><meta property='og:title' content='Otters'>", "Otters"),
        ("<title>Mine</title><meta property='og:title' content='For others'>", "Mine"),
        ("<h1>Otters</h1>", ""),
        ("", ""),
    ],
)
def test_the_title(page: str, title: str) -> None:
    assert title_and_links(URL, page)[0] == title


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("<a href='kelp'>", "http://zoo.example/animals/kelp"),
        ("<a href=' ../fish?a=1&amp;b=2 '>", "http://zoo.example/fish?a=1&b=2"),
        ("<A HREF=//other.example/x>", "http://other.example/x"),
        ("<a href='kelp#top'>", "http://zoo.example/animals/kelp"),
        ("<nav><ul><li><a class=x href=/menu>", "http://zoo.example/menu"),
        ("<base href=/fish/><a href=cod>", "http://zoo.example/fish/cod"),
        ("<a href=cod><base href=//other.example/fish/><base href=/no/>", "http://other.example/fish/cod"),
        ("<a href=mailto:otter@zoo.example>", "mailto:otter@zoo.example"),
    ],
)
def test_where_a_link_leads(link: str, address: str) -> None:
    assert title_and_links(URL, f"<body>{link}text</a>")[1] == [address]


@pytest.mark.parametrize(
    "link", ["<a>", "<a href>", "<a href=' '>", "<a href='http://['>", "<!-- <a href=x> -->", "<a"]
)
def test_what_leads_nowhere(link: str) -> None:
    assert title_and_links(URL, f"{link}text") == ("", [])


def test_each_address_is_named_once_in_the_order_of_the_page() -> None:
    page = "<a href=b>1</a><a href=a>2</a><a href=b#x>3</a>"
    assert title_and_links(URL, page)[1] == [f"{URL}b", f"{URL}a"]
