"""The package carries its manifest and its kernels however it is installed."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

# Built, cached or linked: no part of the sources.
NOT_SOURCES = shutil.ignore_patterns(".*", "__pycache__", "build", "demo-*", "dist", "site", "shared")
READ_KERNELS = """
from importlib.resources import files
package = files("coldstart")
assert package.joinpath("napari.yaml").is_file()
for kernel in sorted(package.joinpath("kernels").iterdir(), key=lambda kernel: kernel.name):
    print(kernel.name, len(kernel.read_bytes()))
"""


@pytest.fixture(scope="module")
def tree(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources without the links of an editable install."""
    copy = tmp_path_factory.mktemp("sources") / "a tree"
    copy.mkdir()
    for name in ("LICENSE", "README.md", "hatch_build.py", "napari.yaml", "pyproject.toml", ".gitignore"):
        shutil.copy(repository / name, copy)
    for name in ("kernels", "src"):
        shutil.copytree(repository / name, copy / name, symlinks=True, ignore=NOT_SOURCES)
    _unlink_assets(copy)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the source distribution."""
    dist = tmp_path_factory.mktemp("dist")
    _python(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, tree)
    assert len(list(dist.glob("*.tar.gz"))) == 1
    (built,) = dist.glob("*.whl")
    return built


def test_wheel_built_from_sdist_holds_manifest_and_kernels(wheel: Path, tree: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    kernels = {f"coldstart/kernels/{kernel.name}" for kernel in (tree / "kernels").iterdir()}
    assert any(name.endswith(".cl") for name in kernels)
    assert {"coldstart/napari.yaml", "coldstart/py.typed"} | kernels <= set(names)
    assert len(names) == len(set(names))


def test_kernels_are_read_from_an_installed_wheel(wheel: Path, tree: Path, tmp_path: Path) -> None:
    _python(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path, wheel)
    listed = _python(sys.executable, "-c", READ_KERNELS, environment={"PYTHONPATH": str(tmp_path)})
    assert listed.splitlines() == _kernel_sizes(tree)


def test_kernels_are_read_live_from_an_editable_install(tree: Path, tmp_path: Path) -> None:
    python = _environment_that_sees_our_packages(tmp_path / "env")
    _python(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", tree)
    assert _python(python, "-c", READ_KERNELS).splitlines() == _kernel_sizes(tree)
    where = _python(python, "-c", "import coldstart; print(coldstart.__file__)")
    assert Path(where.strip()).is_relative_to(tree)
    assert (tree / "src/coldstart/kernels").resolve() == (tree / "kernels").resolve()


def _unlink_assets(tree: Path) -> None:
    for asset in (tree / "src/coldstart/napari.yaml", tree / "src/coldstart/kernels"):
        asset.unlink(missing_ok=True)


def _kernel_sizes(tree: Path) -> list[str]:
    return [f"{kernel.name} {kernel.stat().st_size}" for kernel in sorted((tree / "kernels").iterdir())]


def _environment_that_sees_our_packages(folder: Path) -> Path:
    """A fresh environment that finds pip, hatchling and our dependencies where this process finds them."""
    _python(sys.executable, "-m", "venv", "--without-pip", folder)
    (site_packages,) = folder.glob("[Ll]ib/**/site-packages")
    ours = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
    (site_packages / "zz_ours.pth").write_text("\n".join(ours))
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _python(python: str | Path, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Standard output of a Python process that sees no other copy of the package than the installed one."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, *arguments], env=inherited | dict(environment or {}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
