"""The settings that the plugin remembers from one start to the next, in a JSON file of the user's.

Its "params" are those of a `params.json`. A file that is missing, damaged or from another version gives the defaults:
settings are a convenience, and nothing may fail for their sake.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_config_path
from pydantic import ValidationError

from coldstart.errors import OutputError
from coldstart.io.files import write_text_atomically
from coldstart.params import AbInitioParams, RunPlan


@dataclass(frozen=True, slots=True)
class Settings:
    """What the widget held when it was last used.

    Attributes
    ----------
    particles, data_root : str or None
        The particle table, and the folder of its stacks.
    output : str or None
        Folder of the last run.
    params : AbInitioParams
    plan : RunPlan
    """

    particles: str | None = None
    data_root: str | None = None
    output: str | None = None
    params: AbInitioParams = field(default_factory=AbInitioParams)
    plan: RunPlan = field(default_factory=RunPlan)


def settings_path() -> Path:
    """The file: in COLDSTART_CONFIG, or in `coldstart` in the user's configuration folder."""
    chosen = os.environ.get("COLDSTART_CONFIG")
    return (Path(chosen) if chosen else user_config_path("coldstart", appauthor=False)) / "plugin.json"


def load_settings() -> Settings:
    """The settings of last time."""
    try:
        record = json.loads(settings_path().read_text(encoding="utf-8"))
        params = AbInitioParams.model_validate(record["params"])
        plan = RunPlan.model_validate(record.get("plan", {}))
        return Settings(**_texts(record), params=params, plan=plan)
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return Settings()


def save_settings(settings: Settings) -> None:
    """Remember settings for next time.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = settings_path()
    record = {
        "particles": settings.particles,
        "data_root": settings.data_root,
        "output": settings.output,
        "params": settings.params.model_dump(mode="json"),
        "plan": settings.plan.model_dump(mode="json"),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent} cannot be made: {error.strerror or error}.") from error
    write_text_atomically(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _texts(record: Mapping[str, Any]) -> dict[str, str]:
    return {name: record[name] for name in ("particles", "data_root", "output") if isinstance(record.get(name), str)}
