"""How every benchmark here tells its figures: as JSON, or a line for each with the goal that it has."""

from __future__ import annotations

import json
from collections.abc import Mapping

NONE: Mapping[str, float] = {}


def tell(
    said: Mapping[str, float],
    goals: Mapping[str, float],
    *,
    as_json: bool,
    least: Mapping[str, float] = NONE,
) -> None:
    """Print the figures, rounded to three places; `goals` are at most, those of `least` at least."""
    rounded = {key: round(value, 3) for key, value in said.items()}
    if as_json:
        print(json.dumps(rounded, indent=2))
        return
    width = max([28, *map(len, rounded)])
    for key, value in rounded.items():
        goal = f"   goal: at most {goals[key]:g}" if key in goals else ""
        goal = f"   goal: at least {least[key]:g}" if key in least else goal
        print(f"{key:{width}} {value:10.3f}{goal}")
