"""Figures in words, as the report and the command line show them."""


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
    """A resolution as '12.3 Å'; 'unknown' for None."""
    return "unknown" if angstrom is None else f"{angstrom:.1f} Å"
