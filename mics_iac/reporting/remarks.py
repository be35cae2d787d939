"""What is out of the ordinary about an import, in a few words behind its line. Pure."""

from __future__ import annotations

from collections.abc import Collection

from mics_iac.reporting.figures import counted
from mics_iac.reporting.lines import Span, Style


def remarks(
    *,
    gone: bool,
    adopted: bool,
    protect: bool,
    doubts: int,
    former: Collection[str],
    refused: int = 0,
    created: bool = True,
    declared: bool = True,
) -> list[Span]:
    """The remarks, what needs somebody's eye first.

    `doubts` and `refused` count uploads and files; `former` are the ids that it replaced. `created`: it has an id.
    """
    said: list[tuple[str, Style]] = []
    if not created:
        said.append(("not created yet", "change"))
    if gone:
        said.append(("the platform no longer has it", "destroy"))
    if not declared:
        said.append(("no longer declared", "warn"))
    if doubts:
        said.append((f"{counted(doubts, 'upload')} in doubt", "destroy"))
    if refused:
        said.append((f"{counted(refused, 'file')} refused", "destroy"))
    if adopted:
        said.append(("adopted", "dim"))
    if protect:
        said.append(("protected", "dim"))
    if former:
        said.append((f"replaced {', '.join(former)}", "dim"))
    return [Span(f"  [{text}]", style) for text, style in said]
