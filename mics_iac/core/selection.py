"""What a plan is about: the imports that the options choose, and what the `moved` blocks still have to move. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from fnmatch import fnmatchcase

from mics_iac.core.address import base_of, matches
from mics_iac.core.desired import Desired, DesiredImport
from mics_iac.core.ledger import Ledger
from mics_iac.core.plan import Options
from mics_iac.errors import UsageError


def selected(desired: Desired, options: Options, ledger: Ledger) -> list[DesiredImport]:
    """The imports that the options choose; UsageError when an option names nothing that is declared.

    The history of one that is not declared any more may be ignored too: its open doubts are settled all the same.
    """
    addresses = [w.address for w in desired.imports]
    for pattern in (*options.target, *options.exclude):
        _must_match(pattern, addresses)
    doubted = sorted({doubt.address for doubt in ledger.open_doubts()} - set(addresses))
    for pattern in options.ignore_history:
        _must_match(pattern, [*addresses, *doubted])
    for wish in options.reload:
        pattern, _, path = wish.partition(":")
        _must_match(pattern, addresses)
        files = [f.path for w in desired.imports if matches(w.address, (pattern,)) for f in w.sources]
        if path and not any(fnmatchcase(file, path) for file in files):
            raise UsageError(f"no file of {pattern} has the path {path}, which --reload names")
    return [
        w
        for w in desired.imports
        if (not options.target or matches(w.address, options.target)) and not matches(w.address, options.exclude)
    ]


def asked_again(address: str, path: str, options: Options) -> bool:
    """Whether `--reload` names this source of this import."""
    for wish in options.reload:
        pattern, colon, wished = wish.partition(":")
        if matches(address, (pattern,)) and (not colon or fnmatchcase(path, wished)):
            return True
    return False


def _must_match(pattern: str, addresses: list[str]) -> None:
    if not any(matches(address, (pattern,)) for address in addresses):
        close = difflib.get_close_matches(pattern, addresses, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"no declared import has the address {pattern}{hint}")


def bases_of(address: str, moves: Mapping[str, str]) -> frozenset[str]:
    """The base addresses whose batches count as this import's: its own, and those that it was renamed from."""
    base = base_of(address)
    return frozenset({base, *(base_of(source) for target, source in moves.items() if base_of(target) == base)})


def moves_of(desired: Desired, ledger: Ledger) -> dict[str, str]:
    """Which held address each declared one takes over, by the `moved` blocks that still have something to move."""
    held = {*ledger.addresses(), *ledger.creations()}
    moves: dict[str, str] = {}
    for wanted in desired.imports:
        if wanted.address in held:
            continue
        for moved in desired.moved:
            source = moved.source
            if moved.target == base_of(wanted.address) and "@" not in source:
                source += wanted.address[len(base_of(wanted.address)) :]
            elif moved.target != wanted.address:
                continue
            if source in held:
                moves[wanted.address] = source
    for moved in desired.moved:
        if "@" not in moved.source and "@" not in moved.target:
            # One without a batch is an earlier one too, where the key has batches now.
            batches = [address for address in held if base_of(address) == moved.source]
            renamed = {moved.target + address[len(moved.source) :]: address for address in batches}
            moves |= {target: address for target, address in renamed.items() if target not in held}
    return moves
