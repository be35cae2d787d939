"""What `validate` does."""

from __future__ import annotations

from dataclasses import asdict

from mics_iac.cli.options import Common
from mics_iac.cli.session import session
from mics_iac.engine.checking import check
from mics_iac.engine.world import Limits
from mics_iac.reporting.figures import counted, size
from mics_iac.reporting.lines import Span, line


def validate(given: Common) -> int:
    """Check the manifest and its files, and say what was found."""
    with session(given, Limits()) as run:
        found = check(run.project)
    if given.screen.json:
        given.screen.document({"valid": True, **asdict(found)})
        return 0
    where = f"{counted(found.imports, 'import')} in {counted(found.datamarts, 'datamart')}"
    figures = f"{counted(found.files, 'file')} ({size(found.bytes)}, {counted(found.records, 'record')})"
    given.screen.show([line(Span("Valid: ", "add"), f"{where}, {figures}.")])
    return 0
