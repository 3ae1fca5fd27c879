"""What a sample looks like, for pictures and curves."""

import numpy as np

from coldstart.check.box import measure_extent
from coldstart.check.evidence import Sample
from coldstart.check.spectra import ring_ctf_squared
from coldstart.model.check_report import ImageStatistics


def image_statistics(sample: Sample) -> ImageStatistics:
    """Images, their mean, and the mean of their spectra beside that of the squared CTFs."""
    diameter = measure_extent(sample).diameter if len(sample) > 2 else None
    squared = None
    if sample.ctf is not None:
        squared = ring_ctf_squared(sample.ctf, sample.rings, sample.box_angstrom).mean(axis=0)
    return ImageStatistics(
        rows=sample.shown_rows,
        images=sample.shown,
        average=sample.average,
        frequency_per_angstrom=np.arange(1, sample.rings + 1) / sample.box_angstrom,
        power=sample.power.mean(axis=0),
        ctf_squared=squared,
        diameter_angstrom=None if diameter is None else diameter * sample.box_angstrom,
        sample_size=len(sample),
    )
