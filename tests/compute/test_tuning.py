import dataclasses

import pytest

from coldstart.compute.device import POCL, DeviceInfo
from coldstart.compute.tuning import tuning_for
from coldstart.model.fourier import ROW_MULTIPLE
from coldstart.model.pose_grid import rotation_grid

CPU = DeviceInfo(0, 0, 0, "cpu", POCL, "OpenCL 3.0", "3.0", "CPU", 8, 3000, 2**34, 2**32, True, 16, True, "")
GPU = dataclasses.replace(CPU, platform="maker", kind="GPU", shares_host_memory=False, vector_width=1)
DEVICES = [
    *(dataclasses.replace(CPU, vector_width=width) for width in (1, 4, 8, 16)),
    dataclasses.replace(CPU, platform="Intel(R) OpenCL"),
    GPU,
]


@pytest.mark.parametrize("info", DEVICES)
def test_tiles_fit_the_kernels(info):
    tuning = tuning_for(info)
    assert tuning.vector_width in (1, 4, 8, 16)
    assert tuning.score_columns % tuning.vector_width == 0
    assert tuning.chunk % tuning.vector_width == 0
    assert ROW_MULTIPLE % tuning.chunk == 0
    assert len(rotation_grid(0)) % tuning.score_columns == 0
    assert tuning.score_rows >= 1
    assert tuning.copies >= 1


def test_gpus_leave_vectors_to_their_compiler():
    assert tuning_for(GPU).vector_width == 1
    assert tuning_for(CPU).vector_width > 1
