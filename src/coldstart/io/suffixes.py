"""What the names of the files end in that are read: commands, dialogues and napari's Open tell kinds apart by it."""

from collections.abc import Sequence
from pathlib import Path

PACKED_SUFFIX = ".gz"
GROUP_SUFFIX = ".csg"
CRYOSPARC_SUFFIXES = (".cs", GROUP_SUFFIX)
TABLE_SUFFIXES = (".star", ".star.gz", *CRYOSPARC_SUFFIXES)
"""Of particle tables; a table of RELION may have any other name too, which is read as one where it is named."""

STACK_SUFFIXES = (".mrcs", ".mrc", ".mrcs.gz", ".mrc.gz")
MAP_SUFFIXES = (".mrc", ".map", ".mrc.gz", ".map.gz")
PARTICLE_SUFFIXES = (*TABLE_SUFFIXES, *STACK_SUFFIXES)


def ends_in(path: Path, suffixes: Sequence[str]) -> bool:
    """Whether a name ends in one of these, in large or small letters."""
    return path.name.lower().endswith(tuple(suffixes))
