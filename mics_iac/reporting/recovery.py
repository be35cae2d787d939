"""What a recovery mended and found, as people and as machines read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mics_iac import __version__
from mics_iac.core.health import Mended
from mics_iac.core.outcome import Recovery
from mics_iac.reporting.failure import failure_json
from mics_iac.reporting.figures import counted
from mics_iac.reporting.lines import Line, Span, line

FORMAT_VERSION = "1.0"


def recovery_lines(recovery: Recovery) -> list[Line]:
    """What was mended, what was found on the platform, and what apply will load."""
    lines = _mended(recovery.mended) if recovery.mended is not None else []
    tally = recovery.outcome.tally
    found = f"{counted(tally.adopted, 'import')} and {counted(tally.found, 'execution')} found on the platform"
    lines.append(line(Span(f"Recovered: {found}.", "bold")))
    if recovery.missing:
        was = "is" if recovery.missing == 1 else "are"
        lines.append(
            line(f"{counted(recovery.missing, 'file')} {was} not there: the next apply loads what is missing.")
        )
    return lines


def _mended(mended: Mended) -> list[Line]:
    lines = []
    if mended.state:
        base = f"from {mended.built_on}" if mended.built_on is not None else "from nothing: there was no good backup"
        lines.append(
            line(f"the state was made again {base}, with {counted(mended.entries, 'entry')} of journals", hang=2)
        )
    if mended.kept is not None:
        lines.append(line("the damaged state is kept: ", Span(mended.kept, solid=True), hang=2))
    lines += [line("a journal was set aside: ", Span(place, solid=True), hang=2) for place in mended.aside]
    return lines


def recovery_json(recovery: Recovery) -> Mapping[str, object]:
    """The document."""
    outcome = recovery.outcome
    return {
        "format_version": FORMAT_VERSION,
        "mics_iac_version": __version__,
        "exit_code": outcome.exit_code,
        "interrupted": outcome.interrupted,
        "mended": msgspec.to_builtins(recovery.mended),
        "imports_found": outcome.tally.adopted,
        "executions_found": outcome.tally.found,
        "missing": recovery.missing,
        "failures": [failure_json(failure) for failure in outcome.failures],
        "unfinished": list(outcome.unfinished),
    }
