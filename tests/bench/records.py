"""How fast records are checked: `python -m tests.bench.records [--mb 40] [--rounds 7] [--most 100000]`.

Every round checks every file once, one after the other, so that all rows suffer from the machine alike; what is printed
are medians: MB/s of processor time, and the part of the rate at which msgspec decodes the same lines of activities one
by one into a bare Struct (no constraint, no rule). Then two processes on two files against one after the other (wall
time), and how the cost grows from 1,000 to 100,000 records. Ends with 1 when the target is missed: 300 MB/s for
activities, or where the machine decodes them bare at less than 438 MB/s, that part of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from mics_iac.documents.check import Checker
from mics_iac.documents.report import Report

BLOCK = 256 * 1024
# The target, and the rate of bare decoding on the machine for which it was set.
TARGET, BARE = 300, 438
Make = Callable[[int, random.Random], Any]


def activity(number: int, dice: random.Random) -> dict[str, Any]:
    """An activity of about 380 bytes: a purchase in a store, with an account."""
    moment = 1768460400000 + number * 1000
    properties = {
        "amount": round(dice.random() * 100, 2),
        "store": f"lyon-{dice.randrange(9)}",
        "basket": [{"sku": str(dice.randrange(10**9)), "qty": dice.randrange(1, 5)}],
        "currency": "EUR",
        "channel": "till",
    }
    return {
        "$type": "TOUCH",
        "$session_status": "NO_SESSION",
        "$ts": moment,
        "$compartment_id": "1001",
        "$user_account_id": f"CUST-{dice.randrange(10**6):06}",
        "$events": [{"$event_name": "store_purchase", "$ts": moment, "$properties": properties}],
        "$location": {"$country": "FR", "$zip_code": "69002"},
        "$origin": {"$source": "crm"},
    }


def _hash(dice: random.Random) -> str:
    return hashlib.sha256(dice.randbytes(8)).hexdigest()


def _with(number: int, dice: random.Random, **more: Any) -> dict[str, Any]:
    """An activity with other fields; None takes one out."""
    line = {**activity(number, dice), **{f"${key}": value for key, value in more.items()}}
    return {key: value for key, value in line.items() if value is not ...}


def _own_keys(number: int, dice: random.Random) -> dict[str, Any]:
    return {**activity(number, dice), "shop": "lyon-2", "till": {"number": 7}}


def _accents(number: int, dice: random.Random) -> dict[str, Any]:
    line = activity(number, dice)
    line["$events"][0]["$properties"]["city"] = "Orléans"
    return line


def _profile(number: int, dice: random.Random) -> dict[str, Any]:
    profile = {"city": "Lyon", "loyalty": {"tier": "gold", "points": number}, "newsletter": True, "age": 42}
    return {
        "operation": "UPSERT",
        "compartment_id": "1001",
        "user_account_id": f"CUST-{number:06}",
        "update_strategy": "PARTIAL_UPDATE",
        "user_profile": {"$compartment_id": "1001", "$user_account_id": f"CUST-{number:06}", **profile},
    }


def _choice(number: int, dice: random.Random) -> dict[str, Any]:
    choice = {"$processing_id": "77", "$choice_ts": 1768460400000 + number, "$choice_acceptance_value": True}
    return {"operation": "UPSERT", "email_hash": _hash(dice), "force_replace": True, "user_choice": choice}


def _segment(number: int, dice: random.Random) -> dict[str, Any]:
    who = {"compartment_id": "1001", "user_account_id": f"CUST-{number:06}", "segment_id": "50123"}
    return {"operation": "UPDATE", **who, "expiration_duration": 43200, "data_bag": '{"score": 0.8}'}


def _association(number: int, dice: random.Random) -> dict[str, Any]:
    account = {"type": "USER_ACCOUNT", "compartment_id": "1001", "user_account_id": f"CUST-{number:06}"}
    return {"identifiers": [account, {"type": "USER_EMAIL", "hash": _hash(dice)}]}


def _account(number: int, dice: random.Random) -> dict[str, Any]:
    return {"type": "USER_ACCOUNT", "compartment_id": "1001", "user_account_id": f"CUST-{number:06}"}


def _device(number: int, dice: random.Random) -> dict[str, Any]:
    return {"type": "USER_AGENT", "user_agent_id": f"udp:{dice.randrange(10**9)}"}


def _point(number: int, dice: random.Random) -> dict[str, Any]:
    return {"type": "USER_POINT", "user_point_id": f"0f0e0d0c-0b0a-4909-8807-{number:012}"}


ACTIVITY = "USER_ACTIVITY"
# What is checked: a name, the document type, a record of it.
FILES: list[tuple[str, str, Make]] = [
    ("activities with an account", ACTIVITY, activity),
    (
        "... with a user agent",
        ACTIVITY,
        lambda n, d: _with(n, d, user_account_id=..., compartment_id=..., user_agent_id=f"vec:{d.randrange(10**9)}"),
    ),
    (
        "... with a hashed e-mail",
        ACTIVITY,
        lambda n, d: _with(n, d, user_account_id=..., compartment_id=..., email_hash={"$hash": _hash(d)}),
    ),
    (
        "... with an account in a list",
        ACTIVITY,
        lambda n, d: _with(
            n,
            d,
            user_account_id=...,
            compartment_id=...,
            user_identifiers=[{"$type": "USER_ACCOUNT", "$user_account_id": f"CUST-{n:06}"}],
        ),
    ),
    (
        "... with many nulls",
        ACTIVITY,
        lambda n, d: _with(n, d, origin=None, ttl=None, email_hash=None, unique_key=None, user_agent_id=None),
    ),
    ("... with keys of one's own", ACTIVITY, _own_keys),
    ("... with accents", ACTIVITY, _accents),
    ("profiles", "USER_PROFILE", _profile),
    ("choices", "USER_CHOICE", _choice),
    ("segments", "USER_SEGMENT", _segment),
    ("associations", "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS", _association),
    ("dissociations", "USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS", _association),
    ("identifiers deletion", "USER_IDENTIFIERS_DELETION", _account),
    ("device points deletion", "USER_DEVICE_POINTS_DELETION", _device),
    ("user points deletion", "USER_POINTS_DELETION", _point),
    ("a warning on every line", ACTIVITY, lambda n, d: _with(n, d, user_agent_id="vec:1")),
    ("an unknown key on every line", ACTIVITY, lambda n, d: _with(n, d, shop="lyon")),
    ("an error on every line", ACTIVITY, lambda n, d: _with(n, d, ts=1768460400)),
]


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename=lambda name: f"${name}"):
    event_name: str
    ts: int
    properties: _Skipped


class _Skipped(msgspec.Struct, gc=False):
    pass


class _Bare(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename=lambda name: f"${name}"):
    type: str
    session_status: str
    ts: int
    compartment_id: str
    user_account_id: str
    events: list[_Event]
    location: _Skipped
    origin: _Skipped


def _lines(make: Make, size: int) -> bytes:
    dice = random.Random(1)
    lines: list[bytes] = []
    while size > 0:
        lines.append(json.dumps(make(len(lines), dice), separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        size -= len(lines[-1])
    return b"".join(lines)


def _table(size: int) -> bytes:
    rows = [b"operation,compartment_id,user_account_id,segment_id,expiration_duration,data_bag\n"]
    while size > 0:
        rows.append(f'UPDATE,1001,CUST-{len(rows):06},50123,43200,"{{""score"": 0.8}}"\n'.encode())
        size -= len(rows[-1])
    return b"".join(rows)


def check(file: Path, document_type: str, *, csv: bool = False, digest: Any = None) -> Report:
    """Check a file as it is read, and hash it where that is asked."""
    checker = Checker(document_type, csv=csv)
    with file.open("rb", buffering=0) as data:
        while block := data.read(BLOCK):
            if digest is not None:
                digest.update(block)
            checker.feed(block)
    return checker.end()


def _bare(file: Path) -> None:
    decode = msgspec.json.Decoder(_Bare).decode
    with file.open("rb", buffering=BLOCK) as lines:
        for line in lines:
            decode(line)


def _hashed(file: Path) -> None:
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as data:
        while block := data.read(BLOCK):
            digest.update(block)


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _rows(folder: Path, megabytes: int) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """What is measured: its name, how many bytes, and the work."""
    first = folder / "0"
    first.write_bytes(_lines(activity, megabytes * 1_000_000))
    size = first.stat().st_size
    yield "msgspec, bare Struct", size, lambda: _bare(first)
    yield "sha256 alone", size, lambda: _hashed(first)
    yield "activities, with sha256", size, lambda: check(first, ACTIVITY, digest=hashlib.sha256())
    for number, (name, document_type, make) in enumerate(FILES):
        file = folder / str(number)
        if number:
            file.write_bytes(_lines(make, megabytes * 250_000))
        yield name, file.stat().st_size, lambda file=file, kind=document_type: check(file, kind)  # type: ignore[misc]
    table = folder / "table"
    table.write_bytes(_table(megabytes * 250_000))
    yield "segments in CSV", table.stat().st_size, lambda: check(table, "USER_SEGMENT", csv=True)


def seconds_for(file: Path) -> float:
    """Processor time for a file of activities."""
    return _seconds(lambda: check(file, ACTIVITY))


def _apart(folder: Path, rounds: int) -> tuple[float, float]:
    """How much faster two processes check two files than one does, in wall time, and at what part of processor time."""
    files = [folder / "0", folder / "other"]
    files[1].write_bytes(files[0].read_bytes())
    alone, apart, cost_alone, cost_apart = [], [], [], []
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(seconds_for, files, chunksize=1)
        for _ in range(rounds):
            start = time.perf_counter()
            cost_alone.append(sum(map(seconds_for, files)))
            alone.append(time.perf_counter() - start)
            start = time.perf_counter()
            cost_apart.append(sum(pool.map(seconds_for, files, chunksize=1)))
            apart.append(time.perf_counter() - start)
    return median(alone) / median(apart), median(cost_apart) / median(cost_alone)


def _exponent(folder: Path, make: Make, most: int, rounds: int) -> float:
    """How the cost of n records grows: n to the power of this, fitted over a hundredth of `most`, a tenth, and most."""
    points = []
    file = folder / "growing"
    for number in (most // 100, most // 10, most):
        dice = random.Random(1)
        file.write_bytes(b"".join(json.dumps(make(n, dice)).encode() + b"\n" for n in range(number)))
        cost = median(_seconds(lambda: check(file, ACTIVITY)) for _ in range(rounds))
        points.append((math.log(number), math.log(cost)))
    x = sum(a for a, _ in points) / len(points)
    y = sum(b for _, b in points) / len(points)
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mb", type=int, default=40)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--most", type=int, default=100_000, help="records of the largest of three growing files")
    asked = options.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        rows = list(_rows(folder, asked.mb))
        times: dict[str, list[float]] = {row: [] for row, _, _ in rows}
        for _ in range(asked.rounds):
            for row, _, work in rows:
                times[row].append(_seconds(work))
        rates = {row: size / median(times[row]) / 1e6 for row, size, _ in rows}
        bare = rates["msgspec, bare Struct"]
        print(f"{asked.mb} MB of activities, medians of {asked.rounds} rounds, MB/s of processor time")
        for row, rate in rates.items():
            print(f"  {row:32}{rate:8.0f}   {rate / bare:5.2f} of bare")
        faster, cost = _apart(folder, asked.rounds)
        print(f"two processes on two files: {faster:.2f} times as fast as one (wall), {cost:.2f} of its processor time")
        for what, make in (("good records", activity), ("an error on every line", FILES[-1][2])):
            power = _exponent(folder, make, asked.most, 3)
            print(f"cost grows with the number of records to the power of {power:.2f}: {what}")
    rate = rates[FILES[0][0]]
    return 0 if rate >= TARGET or rate / bare >= TARGET / BARE else 1


if __name__ == "__main__":
    sys.exit(main())
