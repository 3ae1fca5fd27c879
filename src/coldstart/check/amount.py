"""The number of particles."""

from coldstart.check.evidence import Evidence
from coldstart.check.text import plural
from coldstart.model.check_report import Finding

FEWEST = 200


def check_count(evidence: Evidence) -> list[Finding]:
    """Whether there are so few particles that a map from scratch is a matter of luck."""
    wanted = evidence.params.particles_to_use
    count = evidence.particles.count if wanted is None else min(wanted, evidence.particles.count)
    if count >= FEWEST:
        return []
    return [
        Finding(
            "count",
            "warning",
            f"{plural(count, 'particle')} are few to find a map from scratch.",
            "Use at least some hundreds; a few thousand are the rule.",
        )
    ]
