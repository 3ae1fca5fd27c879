"""What is done to images as they are read: contrast turned, flipped phases flipped back, several samplings made one."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldstart.model.ctf import flip_phases, take_rows
from coldstart.model.particles import Ctf
from coldstart.model.resample import ImageGrid, common_grid, resample

FLIPPED_NOTE = (
    "Phase-flipped images were flipped back as they were read, by the CTFs of their rows. "
    "RELION takes the stacks as they are with --ctf_phase_flipped."
)


@dataclass(frozen=True, slots=True)
class ImageKind:
    """Images of one sampling and one sign.

    Attributes
    ----------
    grid : ImageGrid
        As they are in their stacks.
    sign : float
        1 where particles are white, -1 where they are dark.
    name : str
        What the user knows the images by, for messages.
    phase_flipped : bool
        Whether their phases were flipped where their CTF is negative.
    """

    grid: ImageGrid
    sign: float = 1.0
    name: str = ""
    phase_flipped: bool = False

    @property
    def text(self) -> str:
        """The images and their sampling, for messages."""
        named = f"{self.name}: " if self.name else ""
        return f"{named}{self.grid.box_px} px of {self.grid.pixel_size_angstrom:.4g} Å"


@dataclass(frozen=True, slots=True)
class Treatment:
    """How the images of each row come to one grid and one contrast.

    Attributes
    ----------
    grid : ImageGrid
        Of the images that are handed on.
    kinds : tuple of ImageKind
    kind : (N,) int64
        Which of `kinds` each row is of.
    ctf : Ctf or None
        Of each row, where the phases of some are to be flipped back.
    """

    grid: ImageGrid
    kinds: tuple[ImageKind, ...]
    kind: NDArray[np.int64]
    ctf: Ctf | None = None

    def treat(self, images: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images of these rows, treated.

        Parameters
        ----------
        images : (M, n, n) float32, [y, x]
            As they are in their stack, which has one box.
        rows : (M,) int64

        Returns
        -------
        (M, box, box) float32, [y, x]
        """
        out = np.empty((len(rows), self.grid.box_px, self.grid.box_px), dtype=np.float32)
        for number in np.unique(self.kind[rows]).tolist():
            kind, chosen = self.kinds[number], self.kind[rows] == number
            found = images[chosen]
            if kind.phase_flipped and self.ctf is not None:
                box_angstrom = kind.grid.box_px * kind.grid.pixel_size_angstrom
                found = flip_phases(found, take_rows(self.ctf, rows[chosen]), box_angstrom)
            if not kind.grid.matches(self.grid):
                found = resample(found, kind.grid, self.grid)
            out[chosen] = kind.sign * found
        return out

    def origins_in_stacks(self, origin_angstrom: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Origins (M, 2) in Å, x and y, of treated images of these rows, as they are in the stacks.

        A shift of the specimen by t is one of M^T t in an image of the magnification M.
        """
        return np.asarray(np.einsum("ni,nij->nj", origin_angstrom, self._magnifications[self.kind[rows]]))

    def origins_as_read(self, origin_angstrom: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The way back: origins (M, 2) in Å in the stacks as those of the treated images."""
        inverse = np.linalg.inv(self._magnifications)
        return np.asarray(np.einsum("ni,nij->nj", origin_angstrom, inverse[self.kind[rows]]))

    def take(self, rows: NDArray[np.int64]) -> "Treatment":
        """The same for some of the rows."""
        return replace(self, kind=self.kind[rows], ctf=None if self.ctf is None else take_rows(self.ctf, rows))

    @property
    def flips_phases(self) -> bool:
        """Whether the phases of any images are flipped back."""
        return self.ctf is not None and any(kind.phase_flipped for kind in self.kinds)

    @property
    def _magnifications(self) -> NDArray[np.float64]:
        """Matrix of each kind, (kinds, 2, 2)."""
        return np.reshape([kind.grid.magnification for kind in self.kinds], (-1, 2, 2)).astype(np.float64)


def one_kind(
    kinds: tuple[ImageKind, ...], kind: NDArray[np.int64], ctf: Ctf | None = None
) -> tuple[Treatment | None, tuple[str, ...]]:
    """What brings images of several kinds to one, None where there is nothing to do; and what to tell the user.

    Parameters
    ----------
    kinds : tuple of ImageKind
        Each with at least one row.
    kind : (N,) int64
        Which of `kinds` each row is of.
    ctf : Ctf, optional
        Of each row; without it, flipped phases stay flipped.
    """
    grids = [entry.grid for entry in kinds]
    plain = ImageGrid(grids[0].box_px, grids[0].pixel_size_angstrom)
    alike = all(grid.matches(plain) for grid in grids)
    grid = plain if alike else common_grid(grids)
    flipped = ctf is not None and any(entry.phase_flipped for entry in kinds)
    if alike and not flipped and all(entry.sign > 0 for entry in kinds):
        return None, ()
    notes = _notes(grid, kinds)
    return Treatment(grid, kinds, kind, ctf if flipped else None), (*notes, FLIPPED_NOTE) if flipped else notes


def _notes(grid: ImageGrid, kinds: tuple[ImageKind, ...]) -> tuple[str, ...]:
    notes = []
    samplings = dict.fromkeys(entry.text for entry in kinds)
    if len({(entry.grid.box_px, round(entry.grid.pixel_size_angstrom, 4)) for entry in kinds}) > 1:
        notes.append(
            f"The images differ in box or pixel size ({'; '.join(samplings)}). All were brought to {grid.box_px} px of "
            f"{grid.pixel_size_angstrom:.4g} Å by cropping in Fourier and in real space; the maps are on that grid."
        )
    if any(not np.allclose(entry.grid.magnification, (1, 0, 0, 1), rtol=0, atol=1e-4) for entry in kinds):
        notes.append("The images' anisotropic magnification was undone as they were read.")
    if any(entry.sign < 0 for entry in kinds):
        notes.append(
            "The table says that particles are dark (blob/sign -1), and the images were inverted as they were read. "
            "RELION does not know of that sign: it needs inverted stacks."
        )
    return tuple(notes)
