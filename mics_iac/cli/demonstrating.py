"""What `demo` does: writes a project and runs the commands on it, each announced as it would be typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shlex import join

from mics_iac.cli.demo_files import demo_files
from mics_iac.cli.screen import Screen
from mics_iac.cli.starting import write_new
from mics_iac.core.wording import visible
from mics_iac.errors import MicsError, StoreFailed
from mics_iac.reporting.figures import counted
from mics_iac.reporting.lines import Span, line

_STEPS = (
    ("First, are the manifest and every record right? Each mistake is named with its line.", ["validate"]),
    ("What would be done? Nothing is changed yet.", ["plan", "--sandbox"]),
    ("Do it. Each file is loaded once; --auto-approve says yes in advance.", ["apply", "--sandbox", "--auto-approve"]),
    ("What is there now, and what became of every record?", ["status", "--sandbox"]),
    ("And again: what is loaded is loaded. Nothing is left to do.", ["plan", "--sandbox"]),
)


def demonstrate(screen: Screen, folder: Path, *, run: Callable[[list[str]], int]) -> int:
    """Write the project into a new or empty folder, run each step, and end with what to try next."""
    _refuse_used(folder)
    files = demo_files()
    for name, text in files.items():
        write_new(folder / name, text)
    screen.out(f"Wrote a project of {counted(len(files), 'file')} into {visible(str(folder))}.\n")
    for words, args in _STEPS:
        _announce(screen, words, [*args[:1], "-C", str(folder), *args[1:]])
        code = run([*args[:1], "-C", str(folder), *args[1:]])
        if code != 0:
            return code
    _farewell(screen, folder)
    return 0


def _refuse_used(folder: Path) -> None:
    try:
        used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        why = error.strerror or "the file system refused"
        raise StoreFailed(f"cannot look into {visible(str(folder))}: {why}", remedy="name another folder") from error
    if used:
        raise MicsError(
            f"{visible(str(folder))} is not an empty folder, and nothing in it is overwritten",
            remedy="name a new one: mics-iac demo DIR",
        )


def _announce(screen: Screen, words: str, args: list[str]) -> None:
    screen.show([line(), line(Span(f"# {words}", "dim")), line(Span(f"$ {join(['mics-iac', *args])}", "bold"))])


def _farewell(screen: Screen, folder: Path) -> None:
    there = join(["-C", str(folder)])
    old, new = (join([str(folder / "data/fr/visits" / name)]) for name in ("2026-01-15.ndjson", "renamed.ndjson"))
    screen.show(
        [
            line(),
            line(Span("Try next:", "bold")),
            line(Span("  # the next night's profiles: a new batch, a new import", "dim")),
            line(f"  mics-iac apply {there} --sandbox --auto-approve --var night=2026-01-16"),
            line(Span("  # a file that was renamed is not loaded again", "dim")),
            line(f"  mv {old} {new}"),
            line(f"  mics-iac plan {there} --sandbox"),
            line(Span("  # the plan for machines, in Terraform's shape", "dim")),
            line(f"  mics-iac plan {there} --sandbox --format json"),
        ]
    )
