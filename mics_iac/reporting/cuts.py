"""The files that were loaded through an import, as lines: each with its parts and what was left out of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mics_iac.core.state import Cut, Execution
from mics_iac.reporting.figures import counted, number, size
from mics_iac.reporting.lines import Line, Span, line


@dataclass(frozen=True, slots=True)
class Loaded:
    """A source that did not go out as it lies there, with the executions of its parts; or one execution by itself."""

    cut: Cut | None
    executions: tuple[Execution, ...]


def by_cut(executions: Iterable[Execution], cuts: Iterable[Cut]) -> list[Loaded]:
    """The executions in their order, those of one cut together at the place of the first, part by part.

    Cuts with none stand last, as long as none of their parts was sent: else that was under another name of the file.
    """
    known = standing(cuts)
    cut_of = {piece.sha256: n for n, cut in enumerate(known) for piece in cut.pieces}
    grouped: dict[tuple[str, int | str], list[Execution]] = {}
    sent: set[str] = set()
    for e in executions:
        sent.add(e.sha256)
        n = cut_of.get(e.sha256)
        grouped.setdefault(("execution", e.id) if n is None else ("cut", n), []).append(e)
    for n, cut in enumerate(known):
        if sent.isdisjoint(piece.sha256 for piece in cut.pieces):
            grouped.setdefault(("cut", n), [])
    return [
        Loaded(known[key], _in_order(known[key], some)) if isinstance(key, int) else Loaded(None, tuple(some))
        for (_, key), some in grouped.items()
    ]


def _in_order(cut: Cut, executions: Iterable[Execution]) -> tuple[Execution, ...]:
    places = {piece.sha256: n for n, piece in enumerate(cut.pieces)}
    return tuple(sorted(executions, key=lambda e: places[e.sha256]))


def standing(cuts: Iterable[Cut]) -> list[Cut]:
    """The cuts but for those that a later one goes on from: a log that grew has one for each load.

    Of one content that was cut in the same way under several names, the last name stands.
    """
    ordered = list({(cut.sha256, cut.pieces): cut for cut in cuts}.values())
    covered: dict[str, set[str]] = {}
    superseded: set[int] = set()
    for n, cut in sorted(enumerate(ordered), key=lambda one: -one[1].bytes):
        longer = covered.setdefault(cut.source, set())
        digests = {piece.sha256 for piece in cut.pieces}
        if digests <= longer:
            superseded.add(n)
        longer |= digests
    return [cut for n, cut in enumerate(ordered) if n not in superseded]


def cut_lines(one: Loaded, *, pad: int, below: Callable[[Execution], Line]) -> list[Line]:
    """A cut with its parts under it, or the one line of an execution; `pad` is how far they are indented."""
    cut = one.cut
    if cut is None:
        return [below(e) for e in one.executions]
    lines = [line(" " * pad, Span(cut.source, solid=True), Span(f"  {_figures(one, cut)}", "dim"), hang=pad + 2)]
    if cut.seal is not None:
        lines.append(line(" " * (pad + 2), Span(f"as its store had it: {cut.seal}", "dim"), hang=pad + 4))
    if cut.dropped:
        lines.append(_left_out_line(cut, pad + 2))
    return [*lines, *(line("  ", *below(e).spans, hang=pad + 4) for e in one.executions)]


def _left_out_line(cut: Cut, pad: int) -> Line:
    records = Span(f"{counted(cut.dropped, 'invalid record')} left out", "warn")
    if cut.rejects is None:
        return line(" " * pad, records, hang=pad + 2)
    return line(" " * pad, records, ", kept in ", Span(cut.rejects, solid=True), hang=pad + 2)


def left_out(cuts: Iterable[Cut]) -> str:
    """`, 3 left out`; nothing where nothing was."""
    count = sum(cut.dropped for cut in standing(cuts))
    return f", {number(count)} left out" if count else ""


def _figures(one: Loaded, cut: Cut) -> str:
    parts = f" in {counted(len(cut.pieces), 'part')}" if len(cut.pieces) > 1 else ""
    sent = len({e.sha256 for e in one.executions})
    open_ = f", {number(sent)} sent" if sent != len(cut.pieces) else ""
    return f"{size(cut.bytes)}{parts}{open_}  sha256:{cut.sha256[:12]}"


def part_labels(cuts: Iterable[Cut]) -> Mapping[str, str]:
    """` [part 3 of 52]` by the sha256 of the part; nothing for a file in one piece."""
    return {
        piece.sha256: f" [part {place} of {len(cut.pieces)}]"
        for cut in standing(cuts)
        if len(cut.pieces) > 1
        for place, piece in enumerate(cut.pieces, start=1)
    }


def part_of(e: Execution, labels: Mapping[str, str]) -> str:
    """Which part of its file it is, as far as that is known."""
    return labels.get(e.sha256, f" [part {e.part}]" if e.part > 1 else "")
