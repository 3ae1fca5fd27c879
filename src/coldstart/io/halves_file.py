"""What is written of two halves beside their maps: halves.json."""

import json
from dataclasses import asdict
from pathlib import Path

from coldstart.io.files import write_text_atomically
from coldstart.io.json_records import plain
from coldstart.model.halves import HalvesRecord


def write_halves_record(path: Path, record: HalvesRecord) -> None:
    """Write halves.json.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_text_atomically(path, json.dumps(plain(asdict(record)), indent=2, ensure_ascii=False) + "\n")
