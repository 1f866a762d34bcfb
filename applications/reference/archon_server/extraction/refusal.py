"""What the parsers share: how they say no, and how text is kept from being read as Markdown."""


class Refused(Exception):
    """The file is not taken; the message goes behind its name."""


def plain(line: str) -> str:
    """A line of text whose start would make it a heading or a fence, indented so that it is neither."""
    bare = line.lstrip()
    return f"    {bare}" if bare.startswith(("#", "```", "~~~")) else line
