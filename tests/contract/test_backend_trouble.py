"""Whatever one request to a distant place comes to, the call that made it ends as if nothing had been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mics_iac.errors import StateConflict, StoreFailed, StoreRefused
from mics_iac.store.backend import Backend, Busy, LockInfo
from tests.contract.places import DISTANT, DistantPlace, Given
from tests.servers.faults import Fault, expired, read_only
from tests.store.stand import claim

JOURNAL = "00000001-0001"

# One thing that goes wrong once. A server that answers with an error after it acted is the worst of them.
ONCE = {
    "reset before": Fault("reset_before"),
    "midway": Fault("midway"),
    "lost": Fault("reset_after"),
    "torn": Fault("torn"),
    "no body": Fault("torn_head"),
    "500": Fault("status", status=500),
    "503 after it acted": Fault("status", status=503, acts=True),
    "429": Fault("status", status=429),
}

# What strikes whom. Where the backend is another's, there is enough that shows how its own conditions and answers are
# read: it was done and nobody said so, and not now.
STRIKES = {
    "http": ("reset before", "lost", "torn", "no body", "503 after it acted", "429"),
    "s3": ("midway", "lost", "torn", "503 after it acted"),
}
FEW = ("lost", "500")


def nothing(_: Backend) -> None:
    """Nothing is there before."""


def saved(client: Backend) -> None:
    client.write(b"one", expected=None)


def replaced(client: Backend) -> None:
    client.write(b"two", expected=client.write(b"one", expected=None))


def recorded(client: Backend) -> None:
    client.append(JOURNAL, b"a\n")


def locked(client: Backend) -> None:
    assert isinstance(client.lock(claim("a"), lease=600), LockInfo)


def used(client: Backend) -> None:
    locked(client)
    client.unlock("a")


def write(client: Backend) -> object:
    snapshot = client.read()
    client.write(b"three", expected=snapshot.version if snapshot is not None else None)
    return client.read() is not None


def conflict(client: Backend) -> object:
    with pytest.raises(StateConflict):
        client.write(b"three", expected="another")
    return None


def lock(client: Backend) -> object:
    taken = client.lock(claim("b"), lease=600)
    return taken.id if isinstance(taken, LockInfo) else taken


def refused(client: Backend) -> object:
    taken = client.lock(claim("b"), lease=600)
    assert isinstance(taken, Busy)
    assert isinstance(taken.holder, LockInfo)
    return taken.holder.id


def renew(client: Backend) -> object:
    client.renew(claim("a"), lease=900)
    return client.renew(claim("a"), lease=700).id


CASES: dict[str, tuple[Callable[[Backend], object], Callable[[Backend], object]]] = {
    "read nothing": (nothing, lambda c: c.read()),
    "read": (saved, lambda c: getattr(c.read(), "data", None)),
    "first write": (nothing, write),
    "write": (saved, write),
    "conflict": (saved, conflict),
    "backups": (replaced, lambda c: [b.data for b in c.backups()]),
    "first append": (nothing, lambda c: c.append(JOURNAL, b"a\n")),
    "append": (recorded, lambda c: c.append(JOURNAL, b"b\n")),
    "journals": (recorded, lambda c: [(b.name, b.data) for b in c.journals()]),
    "drop": (recorded, lambda c: c.drop([JOURNAL])),
    "set aside": (recorded, lambda c: JOURNAL in c.set_aside(JOURNAL)),
    "first lock": (nothing, lock),
    "lock": (used, lock),
    "lock that is held": (locked, refused),
    "renew": (locked, renew),
    "unlock": (locked, lambda c: c.unlock("a")),
    "holder": (locked, lambda c: getattr(c.holder(), "id", None)),
    "no holder": (used, lambda c: c.holder()),
    "break": (locked, lambda c: c.break_lock("a")),
}


def seen(place: DistantPlace) -> dict[str, Any]:
    """All that a place holds, as a new client sees it."""
    client = place.client()
    snapshot = client.read()
    return {
        "state": snapshot.data if snapshot is not None else None,
        "journals": [(blob.name, blob.data) for blob in client.journals()],
        "backups": [blob.data for blob in client.backups()],
        "holder": getattr(client.holder(), "id", None),
    }


def played(
    kind: str, case: str, given: Given, fault: Fault | None, *, nth: int = 1
) -> tuple[object, dict[str, Any], bool]:
    """What comes of a call in whose nth request the fault strikes: its result, what it left, whether one struck."""
    before, call = CASES[case]
    place = DISTANT[kind](given)
    client = place.client()
    before(client)
    if fault is not None:
        place.faults.add(Fault(**{**{f: getattr(fault, f) for f in fault.__struct_fields__}, "nth": nth}))
    result = call(client)
    struck = any(count for _, count in place.faults.struck())
    place.faults.clear()
    return result, seen(place), struck


# What comes of each case where nothing goes wrong, found out once.
UNDISTURBED: dict[tuple[str, str], tuple[object, dict[str, Any]]] = {}

STRUCK = [
    pytest.param(kind, case, wrong, id=f"{kind}-{case}-{wrong}")
    for kind in sorted(DISTANT)
    for case in CASES
    for wrong in STRIKES.get(kind, FEW)
]


@pytest.mark.parametrize(("kind", "case", "wrong"), STRUCK)
def test_one_request_may_go_wrong(kind: str, case: str, wrong: str, given: Given) -> None:
    if (kind, case) not in UNDISTURBED:
        UNDISTURBED[kind, case] = played(kind, case, given, None)[:2]
    for nth in range(1, 50):
        found = played(kind, case, given, ONCE[wrong], nth=nth)
        assert found[:2] == UNDISTURBED[kind, case], f"request {nth}"
        if not found[2]:
            break
    assert nth > 1


@pytest.mark.parametrize("case", ["read", "first lock", "append", "write"])
@pytest.mark.parametrize("kind", sorted(DISTANT))
def test_a_place_that_is_gone_is_told(kind: str, case: str, given: Given) -> None:
    with pytest.raises(StoreFailed, match="does not answer"):
        played(kind, case, given, Fault("reset_before", times=None))


@pytest.mark.parametrize("case", ["read", "first lock", "append", "write"])
@pytest.mark.parametrize("kind", sorted(DISTANT))
def test_credentials_that_expired_are_told(kind: str, case: str, given: Given) -> None:
    with pytest.raises(StoreRefused, match="credentials"):
        played(kind, case, given, expired())


@pytest.mark.parametrize("case", ["first lock", "append", "write"])
@pytest.mark.parametrize("kind", sorted(DISTANT))
def test_a_place_that_may_only_be_read_is_told(kind: str, case: str, given: Given) -> None:
    with pytest.raises(StoreRefused):
        played(kind, case, given, read_only())
