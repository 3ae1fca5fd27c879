"""Kernels ask for nothing that an OpenCL 1.2 device may lack."""

import re
from pathlib import Path

import pytest

OPTIONAL = {
    "double precision": r"\bdouble\d*\b|\bcl_khr_fp64\b",
    "half precision": r"\bhalf\d*\b|\bcl_khr_fp16\b",
    "64-bit atomics": r"\batom_\w+|\bcl_khr_int64",
    "images": r"\bimage[123]d_\w+|\bread_image",
    "sub-groups": r"\bsub_group_\w+|\bintel_\w+",
    "local memory and barriers": r"__local\b|\blocal\s|\bbarrier\b",
}


@pytest.mark.parametrize("feature", OPTIONAL)
def test_no_kernel_needs(repository: Path, feature: str) -> None:
    files = sorted((repository / "kernels").iterdir())
    assert len(files) > 10
    code = {path.name: re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL) for path in files}
    assert [name for name, text in code.items() if re.search(OPTIONAL[feature], text)] == []
