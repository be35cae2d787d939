"""What a move of the state came to, as people and as machines read it; with the block that the manifest needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from mics_iac.core.migration import Migration
from mics_iac.core.place import describe, url_of
from mics_iac.core.stateblock import state_block, state_keys
from mics_iac.reporting.figures import counted
from mics_iac.reporting.lines import Line, Span, line
from mics_iac.reporting.state import HEAD, figures_json, figures_text


def migration_lines(migration: Migration) -> list[Line]:
    """What was moved, and what to paste into the manifest."""
    source, target = describe(migration.source), Span(describe(migration.target), "bold", solid=True)
    if migration.already:
        lines = [line("nothing to do: the state is at ", target, f" already ({figures_text(migration.state)})", hang=2)]
    else:
        history = f"{figures_text(migration.state)}, {counted(migration.backups, 'backup')}"
        lines = [
            line("moved to ", target, f": {history}", hang=2),
            line(f"no run goes on from {source} any more", hang=2),
        ]
    lines += [line(), line("The manifest must say from now on:"), line()]
    return [*lines, *(line(row) for row in state_block(migration.target).splitlines())]


def migration_json(migration: Migration) -> Mapping[str, object]:
    """The document; `manifest` is the block `state:` of the manifest."""
    return {
        **HEAD,
        "moved": not migration.already,
        "from": url_of(migration.source),
        "to": url_of(migration.target),
        **figures_json(migration.state),
        "backups": migration.backups,
        "manifest": {"state": state_keys(migration.target)},
    }
