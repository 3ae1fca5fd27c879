"""coldstart: ab-initio 3D reconstruction of cryo-EM particle images, on any OpenCL device."""

from typing import TYPE_CHECKING, Any

from coldstart.params import AbInitioParams

if TYPE_CHECKING:
    from coldstart.api import reconstruct
    from coldstart.model.particles import Particles

__version__ = "0.1.0"

__all__ = ["AbInitioParams", "Particles", "__version__", "reconstruct"]


def __getattr__(name: str) -> Any:
    """Import the heavier public names when they are first asked for."""
    if name == "reconstruct":
        from coldstart.api import reconstruct

        return reconstruct
    if name == "Particles":
        from coldstart.model.particles import Particles

        return Particles
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
