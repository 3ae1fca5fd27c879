"""Messages for a terminal in the words of the window."""

import pytest

from coldstart.errors import OutputError
from coldstart.plugin.window_words import error_text, in_the_window


@pytest.mark.parametrize(
    ("terminal", "window"),
    [
        ("Say it with --pixel-size, in Å.", "Say it with “Pixel size”, in Å."),
        ("a smaller --final-minibatch, or say --no-ctf.", "a smaller “Final minibatch size”, or untick “CTF”."),
        ("names are relative to with --data-root.", "names are relative to with “Stack folder”."),
        ("If it is not: --invert.", "If it is not: “Invert contrast”."),
        ("It can go on with: coldstart resume 'a b/c'", "It can go on when you press Resume."),
        ("continue it with 'coldstart resume', or begin.", "continue it with Resume, or begin."),
        ("RELION: --white_dust 5", "RELION: --white_dust 5"),
        ("Put it back, or say --accept-changes: ", "Put it back, or tick “Accept what has changed” and press Resume: "),
        ("Begin again with coldstart run and another folder.", "Run again, into another output folder."),
        ("nothing of a terminal", "nothing of a terminal"),
    ],
)  # fmt: skip
def test_options_and_commands_become_what_the_window_has(terminal: str, window: str) -> None:
    assert in_the_window(terminal) == window


def test_what_was_noted_on_an_error_is_told_too() -> None:
    error = OutputError("the disk is full.")
    error.add_note("The run can go on after iteration 7 with: coldstart resume /data/run")
    told = in_the_window(error_text(error))
    assert told == "the disk is full. The run can go on after iteration 7 when you press Resume."
