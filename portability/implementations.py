"""The OpenCL implementations that can be had without a GPU, each by itself in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
INTEL_ENVIRONMENT = REPOSITORY / ".venv-intel"

LIST_DEVICES = """
import json
from dataclasses import asdict
from coldstart.compute.device import list_devices
print(json.dumps([asdict(info) | {"label": info.label} for info in list_devices()]))
"""


@dataclass(frozen=True)
class Implementation:
    """One implementation.

    Attributes
    ----------
    name : str
        Heading of its column.
    match : str
        Part of its device's name, platform or driver.
    library : str or None
        Pattern of its library's path; None where the wheel of pyopencl finds it by itself.
    install : str
        What to do where it is missing.
    environment : dict of str to str
        That it needs.
    """

    name: str
    match: str
    library: str | None
    install: str
    environment: dict[str, str] = field(default_factory=dict)

    def process_environment(self, folder: Path) -> dict[str, str]:
        """Environment of a process that finds this implementation and, where it is installed, PoCL from pip.

        Caches of compiled kernels are in `folder`, apart from those of other implementations.
        """
        own = folder / self.name.replace(" ", "-")
        vendors = own / "vendors"
        vendors.mkdir(parents=True, exist_ok=True)
        if (found := self._library()) is not None:
            (vendors / "only.icd").write_text(f"{found}\n", encoding="utf-8")
        cache = {name: str(own / name) for name in ("XDG_CACHE_HOME", "POCL_CACHE_DIR", "COLDSTART_CACHE")}
        for path in cache.values():
            Path(path).mkdir(exist_ok=True)
        loader = {"OCL_ICD_VENDORS": str(vendors), "OMP_NUM_THREADS": "1"}
        return {**os.environ, **cache, **loader, **self.environment}

    def device(self, environment: dict[str, str]) -> dict[str, Any] | None:
        """Its first usable device as a process sees it, None where there is none."""
        done = subprocess.run(
            [sys.executable, "-c", LIST_DEVICES], env=environment, capture_output=True, text=True, check=False
        )
        devices = json.loads(done.stdout) if done.returncode == 0 else []
        return next((d for d in devices if d["usable"] and self.match in f"{d['label']} {d['driver']}"), None)

    def _library(self) -> Path | None:
        if self.library is None:
            return None
        pattern = Path(self.library)
        return next(iter(sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))), None)


IMPLEMENTATIONS = (
    Implementation("PoCL, pip", "Portable Computing Language", None, "pip install pocl-binary-distribution"),
    Implementation("PoCL, Debian", "debian", "/usr/lib/*/libpocl.so.2", "apt-get install pocl-opencl-icd"),
    Implementation(
        "Intel CPU", "Intel(R) OpenCL", f"{INTEL_ENVIRONMENT}/lib/libintelocl.so", "make .venv-intel/.installed"
    ),
    Implementation(
        "rusticl", "llvmpipe", "/usr/lib/*/libRusticlOpenCL.so.1", "apt-get install mesa-opencl-icd",
        {"RUSTICL_ENABLE": "llvmpipe"},
    ),
    Implementation(
        "Oclgrind", "Oclgrind", "/usr/lib/oclgrind/liboclgrind-rt-icd.so", "apt-get install oclgrind",
        {"OCLGRIND_DATA_RACES": "1", "OCLGRIND_MAX_ERRORS": "50", "PYOPENCL_NO_CACHE": "1"},
    ),
)  # fmt: skip

WHOLE_JOBS = ("PoCL, pip", "PoCL, Debian", "Intel CPU")
"""Fast enough for a whole run."""
