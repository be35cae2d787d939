"""Figures as people read them: sizes in SI units, thousands apart, plurals. Pure."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("kB", "MB", "GB", "TB", "PB")


def size(count: int) -> str:
    """Bytes in SI units: `999 B`, `1.3 kB`, `1.3 GB`."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    unit = _UNITS[0]
    for unit in _UNITS:  # noqa: B007 (the unit that was reached is what is asked for)
        value /= 1000
        # What rounds to 1000.0 is 1.0 of the next unit.
        if value < 999.95:
            break
    return f"{value:.1f} {unit}"


def number(count: int) -> str:
    """A count with its thousands apart: `2,410,332`."""
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    """A count and its noun, in the plural but for one: `1 file`, `1,200 files`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}{_ending(noun)}"


def _ending(noun: str) -> str:
    return "es" if noun.endswith("ch") else "s"


def duration(seconds: float) -> str:
    """A stretch of time: `4 s`, `2 min 5 s`, `1 h 2 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
