"""How the tests have bytes checked."""

from __future__ import annotations

from mics_iac.documents.check import Checker, Sieve
from mics_iac.documents.report import Finding, Report
from mics_iac.documents.rules import RULES


def report_of(document_type: str, *blocks: bytes, csv: bool = False) -> Report:
    checker = Checker(document_type, csv=csv)
    for block in blocks:
        checker.feed(block)
    return checker.end()


def sieved(document_type: str, *blocks: bytes, csv: bool, drop: frozenset[str]) -> tuple[bytes, bytes]:
    sieve = Sieve(document_type, csv=csv, drop=drop)
    parts = [sieve.feed(block) for block in blocks]
    parts.append(sieve.end())
    return b"".join(kept for kept, _ in parts), b"".join(dropped for _, dropped in parts)


def of_records(report: Report) -> dict[str, int]:
    """What was counted of the records themselves."""
    return {code: number for code, number in report.counts.items() if RULES[code].scope == "record"}


def found(report: Report) -> list[tuple[int, int, str, str]]:
    """Place, code and field of each finding, but for that of a short file."""
    return [(f.line, f.column, f.code, f.field) for f in report.findings if f.code != "MICS380"]


def only(report: Report, code: str) -> Finding:
    [finding] = [finding for finding in report.findings if finding.code == code]
    return finding
