"""How a cost grows with a count: the exponent of the power that fits best, 1 where it is linear."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from statistics import linear_regression


def exponent(costs: Mapping[int, float]) -> float:
    """Of costs by count, at least two of them, all more than nothing."""
    return linear_regression([log(count) for count in costs], [log(cost) for cost in costs.values()]).slope
