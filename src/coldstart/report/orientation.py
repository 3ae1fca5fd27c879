"""How evenly a map is known in all directions, in words and as rows of a table."""

from coldstart.model.orientation_report import Evenness, OrientationReport
from coldstart.report.symmetry import axis_text
from coldstart.report.text import percent_text, resolution_text

_OTHER_VIEWS = "Tilt the specimen by 30 to 40 degrees for some of the data, or change grid, support or detergent"


def views_remedy(report: OrientationReport) -> str:
    """What to do where views are missing."""
    balancing = "; --balance-views makes more of the views that there are" if report.drawn is None else ""
    return f"{_OTHER_VIEWS}{balancing}."


def orientation_sentence(report: OrientationReport) -> str:
    """Whether views are missing, and which."""
    if not report.misses_views:
        return "The views leave no direction of the map unknown."
    if report.views.least_sampling <= report.cone_ratio:
        return (
            f"Views are missing: most particles are seen along ({axis_text(report.main_view)}), and too few from the "
            f"side, at right angles to the axis ({axis_text(report.least_axis)}). Along that axis the map has "
            f"{percent_text(report.views.least_sampling)} of what even views would give, and may be smeared."
        )
    return (
        f"The map is resolved unevenly: its halves agree least along ({axis_text(report.worst_axis)}), with "
        f"{percent_text(report.cone_ratio)} of what they have in the best direction, and it may be smeared there."
    )


def orientation_rows(report: OrientationReport, box_angstrom: float) -> list[tuple[str, str]]:
    """Figures: what they are, and their values."""
    worst, best = (
        resolution_text(box_angstrom / max(radius, 1.0)) for radius in (report.worst_radius, report.best_radius)
    )
    views, drawn = report.views, report.drawn
    return [
        ("Efficiency of the views (E_od): 1 where they are even", f"{views.efficiency:.2f}"),
        ("Sampling compensation (SCF): 1 where they are even, 0.81 of side views alone", f"{views.compensation:.2f}"),
        ("Directions of Fourier space that are filled", percent_text(views.filled)),
        ("Least sampled direction, over even views", f"{views.least_sampling:.2f}"),
        *([] if drawn is None else [("The same of the views as balancing draws them", _figures(drawn))]),
        ("Least sampled direction: x, y, z", axis_text(report.least_axis)),
        ("Direction of most views: x, y, z", axis_text(report.main_view)),
        ("Evenness of the directional FSC (cFAR): least over largest area", f"{report.cone_ratio:.2f}"),
        ("Half maps agree, in the best and in the worst direction, to", f"{best}, {worst}"),
    ]


def _figures(views: Evenness) -> str:
    share = percent_text(views.filled)
    return f"{views.efficiency:.2f}, {views.compensation:.2f}, {share}, {views.least_sampling:.2f}"
