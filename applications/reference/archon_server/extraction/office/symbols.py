"""What symbol fonts show at a code."""

# Symbol's letters, from 0x41 and from 0x61, and the symbols of Word's own lists and keyboards that people meet most.
_SYMBOL = {
    **dict(zip(range(0x41, 0x5B), "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=True)),
    **dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True)),
    0x22: "∀",
    0x24: "∃",
    0x2D: "\u2212",
    0xA3: "≤",
    0xA5: "∞",
    0xAB: "↔",
    0xAC: "←",
    0xAE: "→",
    0xB0: "°",
    0xB1: "±",
    0xB3: "≥",
    0xB4: "\u00d7",
    0xB7: "•",
    0xB8: "÷",
    0xB9: "≠",
    0xBA: "≡",
    0xBB: "≈",
    0xCE: "∈",
    0xD6: "√",
    0xE5: "∑",
}
_WINGDINGS = {
    0x4A: "☺",
    0x4C: "☹",
    0x6C: "●",
    0x6E: "■",
    0x6F: "□",
    0x71: "❑",
    0x76: "❖",
    0x9F: "•",
    0xA7: "▪",
    0xA8: "◻",
    0xD8: "➢",
    0xDF: "←",
    0xE0: "→",
    0xE8: "➔",
    0xFB: "✗",
    0xFC: "✓",
    0xFD: "☒",
    0xFE: "☑",
}
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS}


def symbol(code: str, font: str) -> str | None:
    """The character that `font` shows at a hexadecimal code, None if it is not known. Word moves codes to U+F000."""
    try:
        number = int(code, 16)
    except ValueError:
        return None
    if 0xF000 <= number <= 0xF0FF or font.casefold() in _FONTS:
        return _FONTS.get(font.casefold(), {}).get(number & 0xFF)
    return chr(number) if 0x20 <= number < 0x110000 and not 0xD800 <= number < 0xE000 else None
