"""Small characters beside others: readings above them (ruby), exponents and indexes."""

_SUPERSCRIPT = str.maketrans("0123456789+-=()ni\u2212", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ⁻")
_SUBSCRIPT = str.maketrans("0123456789+-=()aehijklmnoprstuvx\u2212", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₋")


class Readings:
    """The readings of a paragraph. They follow it, because inside it they would cut its words."""

    def __init__(self) -> None:
        self._readings: list[str] = []
        self._end = -1

    def add(self, reading: str, start: int, end: int) -> None:
        """`start` and `end` are where the characters stand; readings of neighbours become one."""
        if reading.strip():
            joined = self._readings.pop() if self._readings and start == self._end else ""
            self._readings.append(joined + reading.strip())
            self._end = end

    def take(self) -> str:
        """What to add to the paragraph, which has ended."""
        text = f" ({' '.join(self._readings)})" if self._readings else ""
        self._readings, self._end = [], -1
        return text


def superscript(text: str) -> str:
    """Exponents as characters of their own, if there are such: 10² is not 102. A search takes them for digits."""
    return _small(text, _SUPERSCRIPT)


def subscript(text: str) -> str:
    return _small(text, _SUBSCRIPT)


def _small(text: str, table: dict[int, int]) -> str:
    return text.translate(table) if all(ord(character) in table for character in text) else text
