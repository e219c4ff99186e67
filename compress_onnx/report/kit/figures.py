"""Numbers as text: signs, percent, bytes, milliseconds, intervals."""

from __future__ import annotations

from compress_onnx.records import Interval

MINUS = "\u2212"
TIMES = "\u00d7"
NARROW_SPACE = "\u00a0"


def signed(value: float, digits: int = 2) -> str:
    """Write a change with its sign and a real minus; what rounds to zero has no sign.

    >>> signed(0.5), signed(-0.001)
    ('+0.50', '0.00')
    """
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def plain(value: float, digits: int = 2) -> str:
    """Write a number with a real minus and no plus.

    >>> plain(1.25)
    '1.25'
    """
    return f"{value:.{digits}f}".replace("-", MINUS)


def percent(fraction: float, digits: int = 2) -> str:
    """Write a fraction 0 to 1 in percent.

    >>> percent(0.9527).replace(NARROW_SPACE, " ")
    '95.27 %'
    """
    return f"{plain(100 * fraction, digits)}{NARROW_SPACE}%"


def size(number: int) -> str:
    """Write bytes in decimal units (1 kB is 1,000 bytes).

    >>> size(44_700_000).replace(NARROW_SPACE, " "), size(999).replace(NARROW_SPACE, " ")
    ('44.7 MB', '999 B')
    """
    amount, unit = float(number), "B"
    for larger in ("kB", "MB", "GB"):
        # 999.95 would be rounded to 1000.0 of the smaller unit.
        if amount < 999.95:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:,.0f}{NARROW_SPACE}B" if unit == "B" else f"{amount:.1f}{NARROW_SPACE}{unit}"


def milliseconds(value: float) -> str:
    """Write a latency with three significant digits, more from 100 ms on.

    >>> milliseconds(0.02434).replace(NARROW_SPACE, " "), milliseconds(1234.0).replace(NARROW_SPACE, " ")
    ('0.0243 ms', '1234 ms')
    """
    digits = next((d for d, bound in ((0, 100), (1, 10), (2, 1), (3, 0.1)) if value >= bound), 4)
    return f"{value:.{digits}f}{NARROW_SPACE}ms"


def span(interval: Interval | None, *, scale: float = 1.0, sign: bool = False, digits: int = 2) -> str:
    """Write an interval as ``low to high``, scaled; empty for ``None``.

    >>> span(Interval(low=0.01, high=0.02, level=0.95, method="Wilson"), scale=100)
    '1.00 to 2.00'
    """
    if interval is None:
        return ""
    write = signed if sign else plain
    return f"{write(scale * interval.low, digits)} to {write(scale * interval.high, digits)}"
