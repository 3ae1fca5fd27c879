"""The parameters of a run, stated once: API, command line, `params.json` and the plugin's form all derive from here.

A field carries its default, its range, a title, one sentence of help, and in `json_schema_extra` the group it is
shown under, its unit, and what a form calls it when it is left open. Defaults are CryoSPARC's wherever it has the
parameter (docs/parameters.md names the pairs).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

COMMON = "Commonly adjusted"
INPUT = "Input"
SCHEDULE = "Schedule"
VOLUME = "Volume"
NOISE = "Noise"
SEARCH = "Pose search"
COMPUTE = "Device"

GROUPS = (COMMON, INPUT, SCHEDULE, VOLUME, NOISE, SEARCH, COMPUTE)


def _field(
    default: Any, title: str, description: str, group: str, unit: str = "", *, left_open: str = "auto", zero: str = "",
    **limits: Any,
) -> Any:  # fmt: skip
    """A pydantic field with this module's metadata."""
    extra: dict[str, Any] = {"group": group, "unit": unit, "left_open": left_open, "zero": zero}
    return Field(default, title=title, description=description, json_schema_extra=extra, **limits)


Fraction = Annotated[float, Field(gt=0, le=1)]


class AbInitioParams(BaseModel):
    """Everything that decides the outcome of an ab-initio run, besides the particles.

    Frozen and strict about names: an unknown field is an error, so that a typo in `params.json` is never ignored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Commonly adjusted
    classes: int = _field(1, "Number of classes", "How many maps to reconstruct.", COMMON, ge=1, le=100)
    particles_to_use: int | None = _field(
        None,
        "Particles to use",
        "Use only this many, from the beginning of the stack; all when empty.",
        COMMON,
        left_open="all",
        ge=1,
    )
    initial_resolution_angstrom: float = _field(
        35.0, "Initial resolution", "Resolution at which the search starts.", COMMON, "Å", gt=0
    )
    max_resolution_angstrom: float = _field(
        12.0, "Maximum resolution", "Finest detail that is used for the poses and kept in the map.", COMMON, "Å", gt=0
    )
    initial_minibatch: int = _field(
        0,
        "Initial minibatch size",
        "Images in each of the first iterations; 0 chooses: 90, half as many more for each further class.",
        COMMON,
        "images",
        zero="automatic",
        ge=0,
    )
    final_minibatch: int = _field(
        0,
        "Final minibatch size",
        "Images in each later iteration; 0 chooses: 1000, half as many more for each further class.",
        COMMON,
        "images",
        zero="automatic",
        ge=0,
    )
    symmetry: str = _field(
        "C1",
        "Symmetry",
        "Point group imposed on the map, on RELION's axes: C1, C4, D7, T, O, I, I1 ...; C1 is recommended.",
        COMMON,
    )
    class_similarity: Annotated[float, Field(ge=0, le=1)] = _field(
        0.1,
        "Class similarity",
        "Share of every image that goes to all classes alike until it is annealed: 0 independent, 1 very similar.",
        COMMON,
    )
    all_particles: bool = _field(
        False,
        "Pose all particles",
        "Pose and label the particles too that the run did not need; with several classes that is always done.",
        COMMON,
    )
    half: int | None = _field(
        None,
        "Half set",
        "Use the particles of half set 1 or 2 alone: those of rlnRandomSubset in the table, else every second one.",
        COMMON,
        left_open="both",
        ge=1,
        le=2,
    )
    seed: int = _field(0, "Random seed", "Same particles, seed and device give the same bytes.", COMMON, ge=0, lt=2**63)

    # Input
    pixel_size_angstrom: float | None = _field(
        None,
        "Pixel size",
        "Pixel size of the stack, where its table or header lacks it or is wrong.",
        INPUT,
        "Å",
        left_open="as in the file",
        gt=0,
    )
    ctf: bool = _field(
        True,
        "CTF",
        "Model the contrast transfer function; switch off for class averages.",
        INPUT,
    )
    phase_flipped: bool = _field(
        False,
        "Phase-flipped",
        "The images' phases were flipped by their CTFs: flip them back, also where the table does not say so.",
        INPUT,
    )
    initial_volume: str | None = _field(
        None,
        "Initial volume",
        "Map (.mrc) over the same box to start from: every class starts from a random variant of it.",
        INPUT,
    )
    invert: bool = _field(False, "Invert contrast", "Particles are darker than the background.", INPUT)
    window_images: bool = _field(True, "Window images", "Fade each image to zero outside a soft circle.", INPUT)
    window_inner_radius: Fraction = _field(
        0.85, "Window inner radius", "Where the soft window starts to fall.", INPUT, "of half the box"
    )
    window_outer_radius: Fraction = _field(
        0.99, "Window outer radius", "Where the soft window reaches zero.", INPUT, "of half the box"
    )

    # Schedule
    initial_iterations: int = _field(200, "Initial iterations", "Iterations at the initial resolution.", SCHEDULE, ge=1)
    final_iterations: int = _field(
        100,
        "Final iterations",
        "Iterations at the maximum resolution, at most: they end once the map has converged.",
        SCHEDULE,
        ge=0,
    )
    minibatch_switch_iteration: int = _field(
        300,
        "Iterations with the initial minibatch",
        "When the minibatch changes to its final size, if the images recognise the map and classes are told apart.",
        SCHEDULE,
        ge=0,
    )
    waiting_iterations: int = _field(
        2000,
        "Waiting iterations",
        "Iterations, at most, that wait for the map at 1.4 times the initial radius: until the images recognise it.",
        SCHEDULE,
        ge=0,
    )
    fourier_radius_step: float = _field(
        0.04,
        "Fourier radius step",
        "Smallest increase of the resolution radius an iteration of 90 images a class between the phases; larger with "
        "more images, and while the halves agree.",
        SCHEDULE,
        "1/box",
        gt=0,
    )
    learning_rate: Fraction = _field(
        0.4, "Initial learning rate", "Weight of a new minibatch against all earlier ones.", SCHEDULE
    )
    learning_rate_duration: int = _field(
        100, "Initial learning rate duration", "Iterations before the learning rate falls.", SCHEDULE, ge=0
    )
    class_similarity_start: int = _field(
        300, "Class similarity anneal start", "Iteration at which the class similarity starts to fall.", SCHEDULE, ge=0
    )
    class_similarity_end: int = _field(
        350, "Class similarity anneal end", "Iteration at which the class similarity has fallen to 0.", SCHEDULE, ge=0
    )

    balance_views: bool = _field(
        False,
        "Balance views",
        "Draw particles of over-represented views less often once the resolution rises.",
        SCHEDULE,
    )

    # Volume
    window_volume: bool = _field(
        True, "Window volume", "Fade the map to zero outside a soft sphere at every iteration.", VOLUME
    )
    center: bool = _field(True, "Center volume", "Keep the centre of mass of the map in the middle of the box.", VOLUME)
    nonnegative: bool = _field(
        True, "Enforce non-negativity", "Set negative densities to zero at every iteration.", VOLUME
    )
    initial_lowpass_radius: float = _field(
        7.0, "Initial low-pass radius", "Fourier radius to which the random start is filtered.", VOLUME, "1/box", gt=0
    )

    # Noise
    noise_model: Literal["symmetric", "white"] = _field(
        "symmetric", "Noise model", "symmetric: one variance a Fourier shell; white: one for all.", NOISE
    )
    noise_prior_weight: float = _field(
        50.0, "Noise prior weight", "Weight of the background's variance.", NOISE, "images", ge=0
    )
    noise_initial_weight: float = _field(
        5000.0, "Noise initial weight", "Weight of the inflated variance at the start.", NOISE, "images", ge=0
    )
    noise_initial_scale: float | None = _field(
        None,
        "Noise initial scale",
        "Factor on the noise variance at the start; found from the target ESS when empty.",
        NOISE,
        ge=1,
    )
    target_ess_fraction: Fraction = _field(
        0.011, "Target 3D ESS fraction", "Share of all poses that are significant at the first iteration.", NOISE
    )

    # Pose search
    shift_extent: Annotated[float, Field(ge=0, le=0.5)] = _field(
        0.1, "Shift extent", "Largest in-plane shift that is searched.", SEARCH, "of the box"
    )
    bound_sigmas: float = _field(
        4.0,
        "Bound",
        "Standard deviations of the noise by which a cell of poses must be worse than the best one to be ruled out.",
        SEARCH,
        "sigma",
        gt=0,
        le=8,
    )
    verify_bound: Annotated[float, Field(ge=0, le=1)] = _field(
        0.0,
        "Verify the bound",
        "Share of the images whose whole pose grid is searched too, to see what the pruned search lost; slow.",
        SEARCH,
        "of the images",
    )

    # Device
    device: str | None = _field(
        None,
        "Device",
        "Number, platform:device number or part of the name of an OpenCL device; several with commas between them, or "
        "all like the best one (all), share the work; 0/2 is device 0 in two parts; the best one when empty.",
        COMPUTE,
    )
    threads: int | None = _field(None, "Threads", "CPU threads; all when empty.", COMPUTE, left_open="all", ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> "AbInitioParams":
        if self.max_resolution_angstrom > self.initial_resolution_angstrom:
            raise ValueError(
                f"the maximum resolution ({self.max_resolution_angstrom:g} Å) is coarser than the initial one "
                f"({self.initial_resolution_angstrom:g} Å): give a smaller number of Å for the maximum"
            )
        if self.window_inner_radius > self.window_outer_radius:
            raise ValueError("the window's inner radius must not exceed its outer radius")
        if self.class_similarity_start > self.class_similarity_end:
            raise ValueError("the class similarity must not start to fall after the iteration at which it has fallen")
        return self


class RunPlan(BaseModel):
    """How many runs are made with one set of parameters, which each of them has in a `params.json` of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    most_classes: int | None = _field(
        None,
        "Compare up to",
        "Several numbers run a job each on the same data, and a report compares them.",
        COMMON,
        "classes",
        left_open="this number alone",
        ge=1,
        le=100,
    )
    starts: int = _field(
        1,
        "Number of starts",
        "Start so many times, each with the next seed, leave the starts that fall behind, and compare the others: the "
        "report says how far the map can be trusted.",
        COMMON,
        ge=1,
    )

    @model_validator(mode="after")
    def _consistent(self) -> "RunPlan":
        if self.starts > 1 and self.most_classes is not None:
            raise ValueError("several starts take one number of classes: ask for 1 start, or for no more classes")
        return self

    def jobs(self, params: AbInitioParams) -> tuple[AbInitioParams, ...]:
        """Parameters of a job for each number of classes, from that of the parameters to the largest one.

        Raises
        ------
        ValueError
            If the largest number is smaller than that of the parameters.
        """
        most = params.classes if self.most_classes is None else self.most_classes
        if most < params.classes:
            raise ValueError(f"{params.classes} classes up to {most} are none: ask for {params.classes} or more")
        numbers = range(params.classes, most + 1)
        return tuple(params.model_copy(update={"classes": number}) for number in numbers)


def field_info(name: str) -> FieldInfo:
    """A field of the parameters, or of the plan."""
    return AbInitioParams.model_fields.get(name) or RunPlan.model_fields[name]
