"""Particles of a real run beside the projections of its maps."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coldstart.errors import ParticleFileError
from coldstart.io.opened_run import open_run
from coldstart.io.particle_files import read_particles
from coldstart.model.projection import image_correlation
from coldstart.plugin.gallery import Gallery, pair_text
from coldstart.plugin.pairs import PairMaker
from coldstart.plugin.run_layers import RunData


@pytest.fixture
def data(finished_run: Path) -> RunData:
    return RunData(open_run(finished_run))


class Selection:
    """Rows that are selected."""

    rows: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def __call__(self) -> NDArray[np.int64]:
        return self.rows


def test_a_projection_is_under_the_pose_of_its_own_image(data: RunData) -> None:
    rows = np.arange(60)
    pairs = PairMaker(data).pairs(rows)
    smooth = np.stack([pair.smooth_image for pair in pairs])
    seen = np.stack([pair.seen_projection for pair in pairs])
    own = np.array([pair.correlation for pair in pairs])
    np.testing.assert_allclose(own, image_correlation(smooth, seen))
    others = image_correlation(smooth, np.roll(seen, 1, axis=0))
    assert own.mean() > others.mean() + 0.2
    assert all(pair.projection.std() > 0 for pair in pairs)
    assert not np.allclose(pairs[0].projection, pairs[0].seen_projection)


def test_images_are_those_of_the_rows(data: RunData) -> None:
    assert data.table is not None
    rows = np.array([11, 3])
    pairs = PairMaker(data).pairs(rows)
    images = read_particles(data.table.path)[1].read(rows)
    found = np.stack([pair.image for pair in pairs])
    assert [pair.row for pair in pairs] == [11, 3]
    np.testing.assert_allclose(image_correlation(found, images), 1.0)
    assert pair_text(pairs[0]).startswith(f"row 12, class {data.table.class_number[11]}, correlation ")


def test_both_hands_agree_alike(data: RunData) -> None:
    maker, rows = PairMaker(data), np.arange(20)
    before = [pair.correlation for pair in maker.pairs(rows)]
    data.other_hand = True
    np.testing.assert_allclose([pair.correlation for pair in maker.pairs(rows)], before, atol=2e-3)


def test_the_strip_shows_what_is_selected_at_most_twelve(qtbot: Any, data: RunData) -> None:
    selection = Selection()
    gallery = Gallery(PairMaker(data), selection)
    qtbot.addWidget(gallery)
    selection.rows = np.array([3, 7])
    gallery.update_soon()
    qtbot.waitUntil(lambda: [pair.row for pair in gallery.pairs] == [3, 7], timeout=30_000)
    assert gallery.text.text().startswith("2 selected; mean correlation with the projection 0.")
    assert gallery._grid.columnCount() == 3
    selection.rows = np.arange(40)
    gallery.show_selected()
    qtbot.waitUntil(lambda: [pair.row for pair in gallery.pairs][::11] == [0, 39], timeout=30_000)
    assert len(gallery.pairs) == 12
    assert gallery.text.text().startswith("12 of 40 selected")
    selection.rows = np.zeros(0, dtype=np.int64)
    gallery.show_selected()
    qtbot.waitUntil(lambda: gallery.pairs == [], timeout=30_000)
    assert gallery.text.text().startswith("Select rows")


def test_a_stack_that_is_gone_is_a_message(qtbot: Any, run_copy: Path) -> None:
    shutil.rmtree(run_copy.parent / "set")
    selection = Selection()
    selection.rows = np.array([0])
    gallery = Gallery(PairMaker(RunData(open_run(run_copy))), selection)
    qtbot.addWidget(gallery)
    gallery.show_selected()
    qtbot.waitUntil(lambda: gallery.text.text().startswith("The images cannot be shown: "), timeout=30_000)
    assert "is missing" in gallery.text.text()


def test_a_run_without_poses_has_no_pairs(run_copy: Path) -> None:
    for path in run_copy.glob("particles*.star"):
        path.unlink()
    with pytest.raises(ParticleFileError, match="no table with poses"):
        PairMaker(RunData(open_run(run_copy))).pairs(np.array([0]))
