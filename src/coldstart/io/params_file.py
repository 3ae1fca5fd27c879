"""Parameters as a JSON file: the `params.json` of a run, of `--params`, and of the plugin's settings."""

import json
from pathlib import Path
from typing import Any

from coldstart.errors import ParameterError
from coldstart.io.files import write_text_atomically
from coldstart.io.json_records import plain
from coldstart.params import AbInitioParams


def write_params_file(path: Path, params: AbInitioParams) -> None:
    """Write all parameters, with their names.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    record = plain(params.model_dump(mode="json"))
    write_text_atomically(path, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_params_file(path: Path) -> dict[str, Any]:
    """The names and values of a file, unchecked: the model judges them.

    Raises
    ------
    ParameterError
        If the file cannot be read, or is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror or error}. Check the path.") from error
    except ValueError as error:
        raise ParameterError(f"{path} is not JSON: {error}. Start from the params.json of a run.") from error
    if not isinstance(content, dict):
        raise ParameterError(f"{path} holds no JSON object of parameter names and values.")
    return content
