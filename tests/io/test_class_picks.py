from pathlib import Path

import pytest

from coldstart.errors import OutputError
from coldstart.io.class_picks import ClassPicks, load_picks, save_picks
from coldstart.io.results import RunFolder


def test_picks_come_back(tmp_path: Path) -> None:
    picks = ClassPicks((2,), ((1, 3), (4, 5)), 0.25, ("used", "low_confidence"), other_hand=True, coloring="class")
    save_picks(RunFolder(tmp_path), picks)
    assert load_picks(RunFolder(tmp_path)) == picks


@pytest.mark.parametrize(
    "text", [None, "", "{", "[1]", '{"discarded": 3}', '{"min_posterior": "much"}', '{"merged": [3]}']
)
def test_without_picks_that_can_be_read_all_is_as_new(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "picks.json").write_text(text)
    assert load_picks(RunFolder(tmp_path)) == ClassPicks()


def test_picks_of_other_versions_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    (tmp_path / "picks.json").write_text('{"discarded": [2], "of_the_future": true}')
    assert load_picks(RunFolder(tmp_path)) == ClassPicks(discarded=(2,))


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        save_picks(RunFolder(tmp_path / "gone"), ClassPicks())
