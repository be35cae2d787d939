"""Law: however a source is cut, filtered, renamed or grown between runs that die half way, no record is loaded twice.

And what was planned last, once it is carried out, leaves nothing to do. The core alone: files are lists of lines, and a
platform that takes what it is sent.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core import journal
from mics_iac.core.content import Content, Part
from mics_iac.core.desired import Desired, SourceFile
from mics_iac.core.fitting import grown_from, to_probe, to_read_again, with_sources
from mics_iac.core.ledger import Ledger
from mics_iac.core.observed import Observed, RemoteImport
from mics_iac.core.plan import Options, Plan, Upload
from mics_iac.core.planner import make_plan
from mics_iac.core.state import NOTHING, State
from tests.core.plans import profiles
from tests.core.test_planner import ORIGIN, wanted

THERE = Observed({"1": {"10": RemoteImport("10", profiles(), {})}})


def line(number: int) -> bytes:
    return b"%05d\n" % number


@dataclass
class World:
    """One import with one file of numbered lines, of which some are invalid; what the platform took, line by line."""

    ledger: Ledger
    lines: int
    path: str = "a"
    split: int = 60
    invalid: frozenset[int] = frozenset()
    taken: Counter[int] = field(default_factory=Counter)
    left_out: set[int] = field(default_factory=set)
    ids: Iterator[int] = field(default_factory=count)

    @property
    def data(self) -> bytes:
        return b"".join(map(line, range(self.lines)))

    def read(self, ranges: tuple[tuple[int, int], ...] = ()) -> Content:
        """As `sources/` does it, and as simply as can be: a line has six bytes."""
        bounds = list(ranges)
        start = bounds[-1][1] if bounds else 0
        while start < len(self.data):
            end = start
            room = self.split
            while end < len(self.data) and (end // 6 in self.invalid or room >= 6):
                room -= 0 if end // 6 in self.invalid else 6
                end += 6
            bounds.append((start, end))
            start = end
        parts = tuple(self.part(n, *bound) for n, bound in enumerate(bounds, start=1))
        return Content(hashlib.sha256(self.data).hexdigest(), len(self.data), parts, None, len(self.dropped(parts)))

    def part(self, number: int, start: int, end: int) -> Part:
        sent = b"".join(line(n) for n in range(start // 6, end // 6) if n not in self.invalid)
        digest = hashlib.sha256(sent).hexdigest()
        return Part(number, start, end, digest, len(sent), len(sent) // 6, len(sent) // 6)

    def dropped(self, parts: tuple[Part, ...]) -> set[int]:
        return {n for part in parts for n in range(part.start // 6, part.end // 6)} & self.invalid

    def plan(self, options: Options) -> Plan:
        declared = replace(wanted().declared, split=self.split, on_growth="tail")
        source = SourceFile(self.path, len(self.data), None, self.read())
        desired = Desired((replace(wanted(), declared=declared, sources=(source,)),))
        for probe in to_probe(desired, self.ledger, options):
            found = {n: (hashlib.sha256(self.data[:n]).hexdigest(), True) for n in probe.contents}
            grown = partial(_replaced, grown=grown_from(probe.contents, found))
            desired = with_sources(desired, grown)
        for again in to_read_again(desired, self.ledger, options, check=False):
            desired = with_sources(desired, partial(_replaced, content=self.read(again.ranges)))
        return make_plan(desired, THERE, Ledger(self.ledger.state()), origin=ORIGIN, options=options)

    def run(self, fates: Iterator[str], *, retry: bool) -> None:
        plan = self.plan(Options(retry_failed=retry))
        assert not plan.refusals
        for planned in plan.cuts:
            self.ledger.add(journal.SourceCut("fr/a", "10", planned.cut))
            for piece in planned.cut.pieces:
                if piece.sha256 == NOTHING:
                    self.left_out |= set(range(piece.start // 6, piece.end // 6)) & self.invalid
        for upload in plan.uploads:
            fate = next(fates)
            if fate == "dies":
                return
            self.send(upload, fate)

    def send(self, upload: Upload, fate: str) -> None:
        start, end = upload.range or (0, len(self.data))
        sent = [n for n in range(start // 6, end // 6) if n not in self.invalid]
        name, execution = f"u{next(self.ids)}", f"e{next(self.ids)}"
        u = upload
        self.ledger.add(
            journal.UploadBegun(u.address, "10", name, u.source, u.part, u.sha256, u.bytes, u.records, u.lines)
        )
        self.ledger.add(journal.UploadAccepted(u.address, name, execution, "PENDING"))
        status = "SUCCEEDED" if fate == "loaded" else "FAILED"
        self.ledger.add(journal.ExecutionSettled(u.address, execution, status, len(sent), 0))
        if fate == "loaded":
            self.taken.update(sent)
            self.left_out |= set(range(start // 6, end // 6)) & self.invalid


def _replaced(_address: str, source: SourceFile, **changes: Any) -> SourceFile:
    return replace(source, **changes)


FATES = st.lists(st.sampled_from(["loaded", "loaded", "failed", "dies"]), min_size=1, max_size=8)
CHANGES = st.one_of(
    st.tuples(st.just("split"), st.integers(1, 12)),
    st.tuples(st.just("grow"), st.integers(1, 9)),
    st.tuples(st.just("rename"), st.integers(0, 3)),
    st.tuples(st.just("find"), st.integers(0, 30)),
    st.tuples(st.just("run"), FATES),
    st.tuples(st.just("retry"), FATES),
)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 20), st.lists(CHANGES, max_size=9))
def test_no_record_is_loaded_twice_and_none_is_lost(lines: int, changes: list[tuple[str, object]]) -> None:
    ledger = Ledger(State(lineage="l", api_url="https://api.example"))
    ledger.add(journal.ImportCreated("fr/a", "10", profiles()))
    world = World(ledger, lines)
    for what, value in changes:
        match what, value:
            case "split", int():
                world.split = value * 6
            case "grow", int():
                world.lines += value
            case "rename", int():
                world.path = f"file-{value}"
            case "find", int():
                world.invalid ^= {value}
            case _:
                assert isinstance(value, list)
                world.run(iter([*value, *["dies"]]), retry=what == "retry")
        assert all(times == 1 for times in world.taken.values()), world.taken
    for _ in range(3):
        world.run(iter(lambda: "loaded", None), retry=True)
    assert all(times == 1 for times in world.taken.values()), world.taken
    assert set(range(world.lines)) <= {*world.taken, *world.left_out, *world.invalid}
    assert world.plan(Options()).empty
