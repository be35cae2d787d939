"""How an apply ended, as people and as machines read it: what went wrong first, then the counts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from mics_iac import __version__
from mics_iac.core.outcome import Outcome, Shortfall
from mics_iac.core.plan import Counts, Plan, Skip, count
from mics_iac.core.tally import Tally
from mics_iac.reporting.failure import failure_json, failure_lines
from mics_iac.reporting.figures import counted, number
from mics_iac.reporting.lines import Line, Span, line, told
from mics_iac.reporting.summary import apply_summary, loads_summary

FORMAT_VERSION = "1.0"

_MOST = 20  # so many files whose records were left out are named; JSON names all


def outcome_lines(outcome: Outcome, *, running: int) -> list[Line]:
    """The counts; `running` is how many executions that this run began had not settled when it ended."""
    if outcome.declined:
        return [line("Apply cancelled: nothing was done.")]
    done = not (outcome.failures or outcome.unfinished or outcome.interrupted)
    loaded = done and not outcome.shortfalls
    return [
        *_left_out(outcome.tally),
        line(Span(apply_summary(outcome.tally, whole=done), "bold")),
        line(Span(loads_summary(outcome.tally, whole=loaded, skipped=outcome.skipped, running=running), "bold")),
    ]


def _left_out(tally: Tally) -> list[Line]:
    """Where the records are that were left out of what was sent."""
    kept = [(address, cut) for (address, _), cut in sorted(tally.cuts.items()) if cut.rejects is not None]
    lines = [
        line(
            Span(address, "bold", solid=True),
            ": ",
            Span(cut.source, solid=True),
            f": {counted(cut.dropped, 'invalid record')} left out, kept in ",
            Span(cut.rejects or "", solid=True),
            hang=2,
        )
        for address, cut in kept[:_MOST]
    ]
    rest = counted(len(kept) - _MOST, "more file")
    return [*lines, line(f"... and {rest} with records left out")] if len(kept) > _MOST else lines


def broken_off_lines(plan: Plan, tally: Tally, *, running: int) -> list[Line]:
    """The counts of a run that an error stopped, so that it has no outcome, and what of its plan it did not do."""
    skipped = sum(isinstance(a, Skip) for a in plan.actions)
    lines = [
        *_left_out(tally),
        line(apply_summary(tally, whole=False)),
        line(loads_summary(tally, whole=False, skipped=skipped, running=running)),
    ]
    if undone := _undone(count(plan), tally):
        lines.append(line(Span("Not done: ", "warn"), f"{', '.join(undone)}.", hang=2))
    return lines


def _undone(planned: Counts, tally: Tally) -> list[str]:
    imports = planned.adopt + planned.add + planned.change - tally.adopted - tally.added - tally.changed
    loads = planned.load - tally.loaded - tally.found
    return [
        *([f"{counted(imports, 'import')} to add or change"] if imports > 0 else []),
        *([f"{counted(loads, 'upload')} to make"] if loads > 0 else []),
        *([f"{counted(planned.fetch, 'remote file')} to read and load"] if planned.fetch else []),
    ]


def trouble_lines(outcome: Outcome) -> list[Line]:
    """All that went wrong, or was left undone, each with what it concerns and what to do."""
    lines = [one for failure in outcome.failures for one in failure_lines(failure)]
    for shortfall in outcome.shortfalls:
        lines += _shortfall(shortfall)
    for sentence in outcome.unfinished:
        lines += told(Span("Not done: ", "warn"), message=sentence)
    if outcome.failures or outcome.unfinished or outcome.interrupted:
        lines.append(
            line(
                "What was done is recorded. Mend what is named above, then run apply again: nothing is loaded twice.",
                hang=2,
            )
        )
    return lines


def outcome_json(outcome: Outcome, *, running: int) -> Mapping[str, object]:
    """The document."""
    tally = outcome.tally
    return {
        "format_version": FORMAT_VERSION,
        "mics_iac_version": __version__,
        "digest": outcome.plan.digest,
        "exit_code": outcome.exit_code,
        "declined": outcome.declined,
        "interrupted": outcome.interrupted,
        "resources": {"imported": tally.adopted, "added": tally.added, "changed": tally.changed, "destroyed": 0},
        "uploads": {
            "loaded": tally.loaded,
            "skipped": outcome.skipped,
            "running": running,
            "records_ok": tally.ok,
            "records_rejected": tally.rejected,
            "records_left_out": tally.left_out,
        },
        "rejects": [
            {"address": address, "source": source, "records": cut.dropped, "file": cut.rejects}
            for (address, source), cut in sorted(tally.cuts.items())
            if cut.rejects is not None
        ],
        "failures": [failure_json(failure) for failure in outcome.failures],
        "shortfalls": [_shortfall_json(shortfall) for shortfall in outcome.shortfalls],
        "unfinished": list(outcome.unfinished),
    }


def _shortfall(shortfall: Shortfall) -> list[Line]:
    where = f": execution {shortfall.execution_id} ended {shortfall.status}"
    lines = [
        line(
            Span("Error: ", "error"),
            Span(shortfall.address, "bold", solid=True),
            ": ",
            Span(shortfall.source, solid=True),
            f"{where}{_counts(shortfall)}",
            hang=2,
        )
    ]
    if shortfall.message:
        lines.append(line("  the platform says: ", shortfall.message, hang=4))
    if shortfall.error_file is not None:
        lines.append(line("  rejected lines: ", Span(shortfall.error_file, solid=True), hang=4))
    return lines


def _counts(shortfall: Shortfall) -> str:
    sent = f" of {counted(shortfall.sent, 'record')} sent"
    counts = []
    if shortfall.rejected is not None:
        counts.append(f"{number(shortfall.rejected)} rejected{sent}, max_failures is {shortfall.budget}")
    if shortfall.unaccounted:
        counts.append(f"{number(shortfall.unaccounted)} unaccounted for{'' if counts else sent}")
    return f": {'; '.join(counts)}" if counts else sent


def _shortfall_json(shortfall: Shortfall) -> Mapping[str, object]:
    return {
        "address": shortfall.address,
        "source": shortfall.source,
        "execution_id": shortfall.execution_id,
        "status": shortfall.status,
        "sent": shortfall.sent,
        "rejected": shortfall.rejected,
        "unaccounted": shortfall.unaccounted,
        "max_failures": str(shortfall.budget),
        "message": shortfall.message,
        "error_file": shortfall.error_file,
    }
