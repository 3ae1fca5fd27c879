from pathlib import Path

from coldstart.io.run_paths import resume_command


def test_the_command_is_right_for_a_shell() -> None:
    assert resume_command(Path("run")) == "coldstart resume run"
    assert resume_command(Path("my run")) == "coldstart resume 'my run'"
