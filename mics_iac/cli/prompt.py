"""A question to the person at the terminal."""

from __future__ import annotations

import sys

from mics_iac.cli.options import Common
from mics_iac.cli.session import Session


def asked(given: Common, run: Session, question: str) -> bool:
    """Ask; only the word yes is a yes. An end of input is a no, Ctrl-C ends the run with nothing done."""
    run.interrupts.prompting = True  # before the question stands there: Ctrl-C may be the answer to it
    try:
        given.screen.out(question)
        answer = sys.stdin.readline()
    finally:
        run.interrupts.answered()
    given.screen.out("\n")
    return answer.strip() == "yes"
