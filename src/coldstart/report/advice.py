"""What to try where a map came out badly: for the report, and as notes for summary.json and the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coldstart.model.shape import FLAT_RATIO
from coldstart.model.state import RunResult
from coldstart.report.class_cards import class_flags
from coldstart.report.orientation import orientation_sentence, views_remedy
from coldstart.report.similarity import Pair, alike_pairs
from coldstart.report.text import listed


@dataclass(frozen=True, slots=True)
class Advice:
    """What was seen, and what to try."""

    seen: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.seen} {self.remedy}"


def run_advice(result: RunResult) -> list[Advice]:
    """Advice on classes of noise, flat maps, empty classes, duplicates, symmetry and views; none where all is well."""
    numbered = list(enumerate(class_flags(result), 1))
    found = {flag: [number for number, own in numbered if flag in own] for flag in ("noise", "flat", "empty")}
    several = len(result.volumes) > 1
    advice = []
    if found["noise"]:
        advice.append(_noise_advice(found["noise"], several))
    if found["flat"]:
        advice.append(_flat_advice(result, found["flat"]))
    if found["empty"]:
        advice.append(_empty_advice(found["empty"]))
    if pairs := alike_pairs(result):
        advice.append(_alike_advice(pairs))
    if symmetric := _symmetric(result):
        advice.append(_symmetry_advice(symmetric, len(result.volumes)))
    return [*advice, *_view_advice(result)]


def _view_advice(result: RunResult) -> list[Advice]:
    """Of each map that some direction is missing from."""
    several = len(result.classes) > 1
    return [
        Advice(f"Class {number}: {seen[0].lower()}{seen[1:]}" if several else seen, views_remedy(views))
        for number, views in enumerate((report.orientation for report in result.classes), 1)
        if views is not None and views.misses_views
        for seen in [orientation_sentence(views)]
    ]


def _noise_advice(numbers: Sequence[int], several: bool) -> Advice:
    seen = f"{_maps(numbers, several)} noise: the particles show no structure in common."
    if several:
        return Advice(
            seen,
            "Such a class often gathers junk, which is useful. If good particles went into it, try larger minibatches, "
            "another seed, more particles, or more classes.",
        )
    return Advice(
        seen,
        "Try larger minibatches, another seed, more particles, or several classes, one of which may take up the junk.",
    )


def _flat_advice(result: RunResult, numbers: Sequence[int]) -> Advice:
    ratios = listed(f"{result.classes[number - 1].flatness:.2f}" for number in numbers)
    seen = (
        f"{_maps(numbers, len(result.volumes) > 1)} flat like a disc: the mean squared extent in the thinnest "
        f"direction is {ratios} of that across it, below {FLAT_RATIO:g}."
    )
    later = (
        "impose symmetry only later: run in C1 first"
        if result.symmetry != "C1"
        else "impose symmetry only later, in the refinement"
    )
    return Advice(
        seen,
        "Unless the particle is flat, the search has got stuck, or views are missing. Try larger minibatches, another "
        f"seed, more particles or more classes, and {later}.",
    )


def _empty_advice(numbers: Sequence[int]) -> Advice:
    which = f"Class {numbers[0]} is" if len(numbers) == 1 else f"Classes {listed(numbers)} are"
    return Advice(
        f"{which} empty: every particle is more probable in another one.",
        "Fewer classes may do; or try another seed, or larger minibatches.",
    )


def _alike_advice(pairs: Sequence[Pair]) -> Advice:
    named = listed(f"{pair.first} and {pair.second} ({pair.correlation:.2f})" for pair in pairs)
    return Advice(
        f"Classes {named} may be the same structure, by the correlation of their maps in the better of both hands.",
        "Fewer classes may do; two conformations of one particle come out alike as well.",
    )


def _symmetric(result: RunResult) -> dict[int, str]:
    """The point group that a map shows, by the number of its class; those alone that show one."""
    shown = {number: report.symmetry for number, report in enumerate(result.classes, 1)}
    return {number: found.group for number, found in shown.items() if found is not None and found.group != "C1"}


def _symmetry_advice(groups: Mapping[int, str], classes: int) -> Advice:
    number, first = next(iter(groups.items()))
    if classes > 1 and len(groups) == 1:
        seen = f"The map of class {number} shows the symmetry {first}, which was not imposed."
    elif classes > 1:
        named = listed(f"{group} (class {number})" for number, group in groups.items())
        seen = f"Maps show symmetry that was not imposed: {named}."
    else:
        seen = f"The map shows the symmetry {first}, which was not imposed."
    if list(groups.values()) == [first] * classes:
        way = f"A run with --symmetry {first} makes the most of the particles"
    else:
        way = (
            "A run imposes one symmetry on all of its maps: take the particles of one class (coldstart pick --class "
            f"{number}), and run these with their own (--symmetry {first})"
        )
    return Advice(seen, f"{way}; coldstart symmetry turns a map and its poses onto the axes.")


def _maps(numbers: Sequence[int], several: bool) -> str:
    """The maps as the subject of a sentence, with its verb."""
    if not several:
        return "The map is"
    return f"The map of class {numbers[0]} is" if len(numbers) == 1 else f"The maps of classes {listed(numbers)} are"
