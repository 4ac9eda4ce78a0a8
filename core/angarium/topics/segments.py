"""How many segments an SMS takes: each is paid for, and carriers drop what has too many.

By 3GPP TS 23.038: 160 characters of GSM 7-bit, or 70 of UTF-16 as soon as one is outside of it; a message of several
segments has 153 or 67 in each, and no character is torn in two.
"""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED = frozenset("\f^{}\\[~]|€")  # two septets each
_GSM = (160, 153)  # of one segment alone, and of each of several
_UCS2 = (70, 67)


def segments(text: str) -> int:
    """The number of segments; 0 for nothing."""
    if is_gsm(text):
        return _count([2 if character in _ESCAPED else 1 for character in text], *_GSM)
    return _count([2 if ord(character) > 0xFFFF else 1 for character in text], *_UCS2)


def is_gsm(text: str) -> bool:
    """Whether it goes as GSM 7-bit."""
    return all(character in _BASIC or character in _ESCAPED for character in text)


def _count(widths: list[int], alone: int, each: int) -> int:
    if sum(widths) <= alone:
        return 1 if widths else 0
    count, room = 1, each
    for width in widths:
        if width > room:
            count, room = count + 1, each
        room -= width
    return count
