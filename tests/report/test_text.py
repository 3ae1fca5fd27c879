import pytest

from coldstart.report.text import bytes_text, count_text, duration_text, listed, percent_text, resolution_text


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
    assert resolution_text(None) == resolution_text(float("inf")) == "unknown"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (-0.0, "0%"),
        (1.0, "100%"),
        (0.5, "50%"),
        (0.0111, "1.1%"),
        (6.04e-6, "0.00060%"),
        (0.97, "97%"),
        (0.988, "98.8%"),
        (0.999, "99.9%"),
        (0.9995, "99.95%"),
        (0.999999, "99.9999%"),
        (1e-12, "less than 0.000001%"),
        (float("nan"), "unknown"),
    ],
)
def test_shares_never_round_to_none_or_all(share: float, text: str) -> None:
    assert percent_text(share) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(2.385, "2.4"), (247.8, "248"), (115_200, "115,200"), (19_353_600, "19.4 million"), (2.5e9, "2.5 billion")],
)
def test_counts(count: float, text: str) -> None:
    assert count_text(count) == text


def test_things_are_listed_as_in_a_sentence() -> None:
    assert [listed(numbers) for numbers in ([1], [1, 2], [1, 2, 5])] == ["1", "1 and 2", "1, 2 and 5"]
