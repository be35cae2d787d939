r"""The lines that sum up, which other tools parse: kept byte for byte.

`Plan: …` and `No changes. …` are what OpenTofu prints and Atlantis looks for
(`Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy(?:, (\d+) to forget)?\.`).
Pure; knows counts alone.
"""

from __future__ import annotations

from mics_iac.core.plan import Counts
from mics_iac.core.tally import Tally
from mics_iac.reporting.figures import counted, number, size

NO_CHANGES = "No changes. Your infrastructure matches the configuration."


def plan_summary(counts: Counts, *, refused: bool) -> str:
    """What will happen to imports, or that nothing will happen at all.

    A part that failed before and is not sent again is no change, but the platform does not match either; nor does it
    where something was `refused`.
    """
    changes = counts.adopt or counts.add or counts.change or counts.destroy
    if not (refused or changes or counts.load or counts.fetch or counts.stuck):
        return NO_CHANGES
    adopt = f"{counts.adopt} to import, " if counts.adopt else ""
    return f"Plan: {adopt}{counts.add} to add, {counts.change} to change, {counts.destroy} to destroy."


def uploads_summary(counts: Counts) -> str:
    """What will happen to files."""
    figures = f"{size(counts.load_bytes)}, {counted(counts.load_records, 'record')}"
    stuck = f", {number(counts.stuck)} failed before" if counts.stuck else ""
    remote = f"{counted(counts.fetch, 'remote file')} ({size(counts.fetch_bytes)})"
    fetch = f", {remote} to read first" if counts.fetch else ""
    return f"Uploads: {number(counts.load)} to load ({figures}), {number(counts.loaded)} already loaded{stuck}{fetch}."


def apply_summary(tally: Tally, *, whole: bool) -> str:
    """What happened to imports; `whole` says whether all that was planned was done."""
    adopted = f"{tally.adopted} imported, " if tally.adopted else ""
    head = "Apply complete!" if whole else "Apply incomplete."
    return f"{head} Resources: {adopted}{tally.added} added, {tally.changed} changed, 0 destroyed."


def loads_summary(tally: Tally, *, whole: bool, skipped: int, running: int) -> str:
    """What happened to files; `running` counts the executions that had not settled when the run ended."""
    head = "Uploads complete!" if whole else "Uploads incomplete."
    figures = f"{counted(tally.ok, 'record')} ok, {number(tally.rejected)} rejected"
    if tally.left_out:
        figures += f", {number(tally.left_out)} left out"
    if running:
        figures += f", {counted(running, 'execution')} still running"
    return f"{head} {number(tally.loaded)} loaded ({figures}), {number(skipped)} skipped."
