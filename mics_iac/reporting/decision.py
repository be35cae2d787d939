"""What a person decided about an upload in doubt, told back. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from mics_iac import __version__
from mics_iac.core.decision import Decision
from mics_iac.reporting.lines import Line, Span, line

FORMAT_VERSION = "1.0"


def decision_lines(decision: Decision) -> list[Line]:
    """What is true from now on, and what the next apply does about it."""
    subject = decision.subject
    part = f" [part {subject.part}]" if subject.part > 1 else ""
    head = (Span(f"{subject.address}: ", "bold"), Span(subject.source, solid=True), f"{part}: ")
    if decision.execution is not None:
        lines = [line(*head, f"it is execution {decision.execution}, and counts as loaded", hang=2)]
        if not decision.checked:
            lines.append(
                line(f"  import {subject.import_.id} is gone: this could not be compared with anything", hang=4)
            )
        return lines
    lines = [line(*head, f"it was not loaded: {_NEXT}", hang=2)]
    if subject.import_.gone:
        lines = [line(*head, "it was not loaded: the next apply sends it", hang=2)]
    lines += [
        line(f"  execution {execution} of import {subject.import_.id} is not this file", hang=4)
        for execution in decision.dismissed
    ]
    return lines


_NEXT = "the next apply looks whether it shows up, and sends it if it does not"


def decision_json(decision: Decision) -> Mapping[str, object]:
    """The document."""
    subject = decision.subject
    return {
        "format_version": FORMAT_VERSION,
        "mics_iac_version": __version__,
        "address": subject.address,
        "import_id": subject.import_.id,
        "source": subject.source,
        "part": subject.part,
        "sha256": subject.sha256,
        "execution": decision.execution,
        "resend": decision.execution is None,
        "checked": decision.checked,
        "dismissed": list(decision.dismissed),
    }
