import pytest

from coldstart.report.text import bytes_text, duration_text, resolution_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (312, "5 min 12 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_bytes_and_resolutions() -> None:
    assert bytes_text(512 * 2**20) == "512 MiB"
    assert bytes_text(int(1.3 * 2**30)) == "1.3 GiB"
    assert bytes_text(None) == "unknown"
    assert resolution_text(12.34) == "12.3 Å"
    assert resolution_text(None) == "unknown"
