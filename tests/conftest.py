"""Fixtures shared by all tests."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# A loaded machine is no failure: examples are not timed.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tile sizes that somebody has measured on this machine are no business of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLDSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20170206)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds pyproject.toml, napari.yaml and kernels/."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Published STAR, .cs and image files that lie beside the repository, where somebody has put them."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the published test data are not beside this repository (../shared/data)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def metadata_folder(shared_data: Path) -> Path:
    """STAR and .cs files written by RELION and cryoSPARC."""
    return _folder(shared_data, "metadata")


@pytest.fixture(scope="session")
def real_images_folder(shared_data: Path) -> Path:
    """A few real particle images and class averages."""
    return _folder(shared_data, "real")


@pytest.fixture(scope="session")
def models_folder(shared_data: Path) -> Path:
    """Atomic models as .npz files."""
    return _folder(shared_data, "models")


def _folder(shared_data: Path, name: str) -> Path:
    folder = shared_data / name
    if not folder.is_dir():
        pytest.skip(f"no folder ../shared/data/{name} beside this repository")
    return folder
