"""What batch systems are given, against files of it."""

from pathlib import Path

import pytest

from coldstart.cluster.request import QUEUES, job_script

SETTINGS = {"cores": 4, "memory": "16GB", "walltime": "02:00", "python": "python", "queue": "gpu"}


@pytest.mark.parametrize("where", QUEUES)
def test_job_script(where: str) -> None:
    own = {"lsf": {"use_stdin": True}}.get(where, {})
    script = job_script(where, "tcp://10.0.0.1:8786", **SETTINGS, **own)
    assert script == (Path(__file__).parent / "scripts" / f"{where}.sh").read_text(encoding="utf-8")
