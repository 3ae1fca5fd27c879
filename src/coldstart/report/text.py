"""Figures in words, as the report and the command line show them."""

import math
from collections.abc import Iterable

_SMALLEST_PERCENT = 1e-6


def duration_text(seconds: float) -> str:
    """Seconds as '43 s', '5 min 12 s' or '2 h 05 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def bytes_text(count: int | None) -> str:
    """Bytes as '512 MiB' or '1.3 GiB'; 'unknown' for None."""
    if count is None:
        return "unknown"
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{count / 2**30:.1f} GiB"


def resolution_text(angstrom: float | None) -> str:
    """A resolution as '12.3 Å'; 'unknown' for None and where it is not finite."""
    return "unknown" if angstrom is None or not math.isfinite(angstrom) else f"{angstrom:.1f} Å"


def class_resolution_text(angstrom: float | None, *, is_noise: bool) -> str:
    """The resolution of a class as `resolution_text` has it; a dash for noise, whose halves agree by chance."""
    return "–" if is_noise else resolution_text(angstrom)


def percent_text(share: float) -> str:
    """A share as '37%', '0.0016%' or '99.95%', so that only all is 100% and only none 0%; 'unknown' for NaN."""
    if math.isnan(share):
        return "unknown"
    percent = 100.0 * share
    away = min(percent, 100.0 - percent)
    if away <= 0.0:
        return f"{abs(percent):.0f}%"
    if percent < _SMALLEST_PERCENT:
        return f"less than {_SMALLEST_PERCENT:f}%"
    decimals = max(0, 1 - math.floor(math.log10(max(away, _SMALLEST_PERCENT))))
    text = f"{percent:.{decimals}f}"
    return f"{text.rstrip('0').rstrip('.') if percent > 50.0 and decimals else text}%"


def count_text(count: float) -> str:
    """A count or a mean count as '2.4', '248', '6,200', '19.4 million' or '1.2 billion'."""
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:.1f} {name}"
    return f"{count:.1f}" if count < 10 else f"{count:,.0f}"


def listed(things: Iterable[object]) -> str:
    """Things as '1', '1 and 2' or '1, 2 and 5'."""
    *before, last = (str(thing) for thing in things)
    return f"{', '.join(before)} and {last}" if before else last
