"""What the program says for a terminal, as somebody says it who sits before the window: titles in place of options."""

import re

from coldstart.params import AbInitioParams
from coldstart.plugin.form import field_title

ACCEPT_TITLE = "Accept what has changed"
"""Of the tick that is there once a run does not go on because something has changed."""

_PHRASES = (
    (r"with: coldstart resume \S.*$", "when you press Resume."),
    (r"with: coldstart run\b", "with Run"),
    (r"Begin again with coldstart run and another folder", "Run again, into another output folder"),
    (r"begin again with coldstart run and another folder", "run again, into another output folder"),
    (r"begin the run with coldstart run", "begin it with Run"),
    (r"begin another run with coldstart run\b", "begin another one with Run"),
    (r"coldstart devices lists what --device may name", "Choose one that is listed under “Device”"),
    (r"'?coldstart resume'?", "Resume"),
    (r"\bsay --no-ctf", "untick “CTF”"),
    (r"--no-ctf\b", "unticking “CTF”"),
    (r"\bsay --accept-changes", f"tick “{ACCEPT_TITLE}” and press Resume"),
    (r"Say --invert\b", "Tick “Invert contrast”"),
    (r"Leave --invert away", "Untick “Invert contrast”"),
    (r"--data-root\b", "“Stack folder”"),
    (r"--starts\b", "“Number of starts”"),
)
_OPTION = re.compile(r"--([a-z][a-z-]*[a-z])")
_TITLES = {
    name.removesuffix("_angstrom").replace("_", "-"): f"“{field_title(name)}”" for name in AbInitioParams.model_fields
}


def in_the_window(text: str) -> str:
    """A message with what the window has in place of commands and options; what it does not have stays as it is."""
    for pattern, words in _PHRASES:
        text = re.sub(pattern, words, text, flags=re.MULTILINE)
    return _OPTION.sub(lambda found: _TITLES.get(found[1], found[0]), text)


def error_text(error: Exception) -> str:
    """What went wrong, with what was noted on it: how a run goes on."""
    return " ".join([str(error), *getattr(error, "__notes__", ())])
