"""What one import has loaded, in all its batches and incarnations: by part, and by whole content. Pure.

A part is known by the sha256 of what was sent. A content that went out in pieces (a big file, one that has grown, one
with records left out) is known by the sha256 of the whole, with the pieces that it was cut into: once all of them are
loaded the whole is, and once one of them was sent the others are sent as they were cut.
"""

from __future__ import annotations

from dataclasses import dataclass

from mics_iac.core.address import base_of
from mics_iac.core.desired import Grown, SourceFile
from mics_iac.core.ledger import Ledger
from mics_iac.core.loaded import FoundCut, Loaded
from mics_iac.core.manifest import OnGrowth
from mics_iac.core.state import NOTHING, Cut, Piece


@dataclass(frozen=True, slots=True)
class History:
    """The ledger, seen from one import.

    `bases` are the base addresses whose batches count as this import's; `import_id` is the import that takes what is
    loaded now, None where it is yet to be created. `in_doubt` and `refused` are the sha256 of parts that were sent and
    of which no execution is known.
    """

    ledger: Ledger
    kind: tuple[str, str]
    bases: frozenset[str]
    import_id: str | None
    in_doubt: frozenset[str]
    refused: frozenset[str]

    def owns(self, found: Loaded | FoundCut) -> bool:
        """Whether that was loaded by this import."""
        return found.import_id == self.import_id or base_of(found.address) in self.bases

    def loaded(self, sha256: str) -> list[Loaded]:
        """Where this import was sent these bytes, whatever became of it."""
        return [f for f in self.ledger.loaded(self.kind, sha256) if self.owns(f)]

    def counting(self, sha256: str) -> Loaded | None:
        """Where this import has these bytes loaded."""
        return next((f for f in self.loaded(sha256) if f.counts), None)

    def others(self, sha256: str) -> Loaded | None:
        """Where another import of the datamart and document type has this content loaded, in whole or in part."""
        whole = self.ledger.loaded(self.kind, sha256)
        cuts = [c for c in self.ledger.cuts(self.kind, sha256) if not self.owns(c)]
        parts = [f for c in cuts for p in c.cut.pieces for f in self.ledger.loaded(self.kind, p.sha256)]
        return next((f for f in [*whole, *parts] if not f.failed and not self.owns(f)), None)

    def wholly(self, sha256: str) -> tuple[Loaded, ...] | None:
        """Where all of this content is loaded, piece by piece; None unless all of it is.

        A piece may be a content that is itself loaded in pieces: the one that a file has grown from.
        """
        if (one := self.counting(sha256)) is not None:
            return (one,)
        for cut in self._by_share(sha256):
            if found := self._all_of(cut):
                return found
        return None

    def _all_of(self, cut: Cut) -> tuple[Loaded, ...] | None:
        """Where each piece of a cut is loaded. A chain of thousands of growths must not be a chain of calls."""
        found: list[Loaded] = []
        seen = {cut.sha256}
        todo = [piece.sha256 for piece in reversed(cut.pieces)]
        while todo:
            one = todo.pop()
            if one == NOTHING:
                continue
            if (loaded := self.counting(one)) is not None:
                found.append(loaded)
                continue
            inner = self._by_share(one) if one not in seen else []
            if not inner:
                return None
            seen.add(one)
            todo += (piece.sha256 for piece in reversed(inner[0].pieces))
        return tuple(found)

    def _by_share(self, sha256: str) -> list[Cut]:
        """The cuts of a content, first those of which the most is loaded."""

        def share(cut: Cut) -> float:
            sent = [piece.sha256 for piece in cut.pieces if piece.sha256 != NOTHING]
            return sum(self.counting(one) is not None for one in sent) / max(1, len(sent))

        cuts = self._cuts(sha256)
        return sorted(cuts, key=share, reverse=True) if len(cuts) > 1 else cuts

    def begun(self, sha256: str, length: int) -> tuple[Piece, ...]:
        """The pieces that this content, of so many bytes, began to be sent in; () where nothing of it was.

        Where it was tried in several ways, those count of which something is loaded; then those in doubt.
        """
        best = max(self._ways(sha256, length), key=self._trace)
        return best if self._trace(best) else ()

    def has(self, sha256: str, length: int) -> bool:
        """Whether something of this content, of so many bytes, is loaded, or may be."""
        return any(self._trace(pieces) > 1 for pieces in self._ways(sha256, length))

    def _ways(self, sha256: str, length: int) -> list[tuple[Piece, ...]]:
        return [*(cut.pieces for cut in self._cuts(sha256)), (Piece(0, length, sha256),)]

    def _trace(self, pieces: tuple[Piece, ...]) -> int:
        """What there is of these pieces: 3 something that is loaded, 2 that may be, 1 that came to nothing, 0 none."""
        found = [f for piece in pieces for f in self.loaded(piece.sha256)]
        if any(f.counts for f in found) or any(self.wholly(piece.sha256) for piece in pieces if len(pieces) > 1):
            return 3
        if any(f.lost_sight for f in found) or any(piece.sha256 in self.in_doubt for piece in pieces):
            return 2
        return int(bool(found) or any(piece.sha256 in self.refused for piece in pieces))

    def knows(self, cut: Cut) -> bool:
        """Whether this very cut is in the ledger."""
        return cut in self._cuts(cut.sha256)

    def whole_cut(self, sha256: str) -> Cut | None:
        """The cut in which all of this content is loaded, None where it is not, or was in one piece."""
        return next((cut for cut in self._by_share(sha256) if self._all_of(cut)), None)

    def left_out(self, source: str) -> Cut | None:
        """How another content of this path was loaded without some of its records, None where none was."""
        found = [f.cut for f in self.ledger.cuts_of(self.kind, source) if self.owns(f)]
        return next((cut for cut in reversed(found) if cut.dropped and self.has(cut.sha256, cut.bytes)), None)

    def sealed(self, source: str, seal: str | None) -> Cut | None:
        """What is known of the content of a remote object that still is what its store said then."""
        if seal is None:
            return None
        found = [f.cut for f in self.ledger.cuts_of(self.kind, source) if self.owns(f) and f.cut.seal == seal]
        return found[-1] if found else None

    def _cuts(self, sha256: str) -> list[Cut]:
        """How this import cut a content, the newest first."""
        return [f.cut for f in reversed(self.ledger.cuts(self.kind, sha256)) if self.owns(f)]


class Histories:
    """The histories of all imports; what they are made from is sorted once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._addresses: dict[str, list[str]] = {}
        for address in ledger.addresses():
            self._addresses.setdefault(base_of(address), []).append(address)
        self._in_doubt: dict[str, set[str]] = {}
        for doubt in ledger.open_doubts():
            for owner in (base_of(doubt.address), doubt.import_id):
                self._in_doubt.setdefault(owner, set()).add(doubt.sha256)

    def of(self, kind: tuple[str, str], bases: frozenset[str], import_id: str | None) -> History:
        """That of one import; the arguments are `History`'s."""
        owners = bases if import_id is None else bases | {import_id}
        return History(
            self._ledger,
            kind,
            bases,
            import_id,
            in_doubt=frozenset(sha256 for owner in owners for sha256 in self._in_doubt.get(owner, ())),
            refused=frozenset(sha256 for a in self.addresses(bases) for sha256 in self._ledger.refusals(a)),
        )

    def addresses(self, bases: frozenset[str]) -> list[str]:
        """Every address of these bases that has an import."""
        return [address for base in sorted(bases) for address in self._addresses.get(base, ())]

    def earlier(self, bases: frozenset[str]) -> dict[int, set[str]]:
        """The contents that these imports have loaded, or begun to load: sha256 by length in bytes."""
        found: dict[int, set[str]] = {}
        for address in self.addresses(bases):
            for length, sha256 in self._ledger.contents(address):
                found.setdefault(length, set()).add(sha256)
        return found


def given_pieces(history: History, source: SourceFile, *, on_growth: OnGrowth) -> tuple[Piece, ...]:
    """The pieces that a source must begin with, whatever cut is asked for today: what of it was begun already.

    Those of the cut under which its content began to be sent; or, where only what is new of a grown file is wanted,
    those of the content that it has grown from.
    """
    content, grown = source.content, source.grown
    if content is None:
        return ()
    begun = history.begun(content.sha256, content.bytes)
    if begun or grown is None or not tails(grown, on_growth):
        return begun
    if history.wholly(grown.sha256) is not None:
        return (Piece(0, grown.bytes, grown.sha256),)
    return history.begun(grown.sha256, grown.bytes)


def settled(history: History, pieces: tuple[Piece, ...]) -> int:
    """How many bytes at the beginning of a content are loaded: what is in them is not judged again."""
    end = 0
    for piece in pieces:
        if piece.sha256 != NOTHING and history.wholly(piece.sha256) is None:
            break
        end = piece.end
    return end


def tails(grown: Grown, on_growth: OnGrowth) -> bool:
    """Whether only what is new of a file is to be loaded."""
    return grown.whole_records and on_growth == "tail"
