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
    loaded now, None where it is yet to be created.
    """

    ledger: Ledger
    kind: tuple[str, str]
    bases: frozenset[str]
    import_id: str | None

    def owns(self, found: Loaded | FoundCut) -> bool:
        """Whether that was loaded by this import."""
        return base_of(found.address) in self.bases or found.import_id == self.import_id

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

    def wholly(self, sha256: str) -> tuple[tuple[Piece, Loaded], ...] | None:
        """The pieces of this content and where each was loaded; None unless all of it is loaded."""
        if (one := self.counting(sha256)) is not None:
            return ((Piece(0, one.execution.bytes, sha256), one),)
        for cut in self._cuts(sha256):
            sent = [piece for piece in cut.pieces if piece.sha256 != NOTHING]
            found = [(piece, self.counting(piece.sha256)) for piece in sent]
            done = tuple((piece, loaded) for piece, loaded in found if loaded is not None)
            if sent and len(done) == len(sent):
                return done
        return None

    def begun(self, sha256: str, length: int) -> tuple[Piece, ...]:
        """The pieces that this content, of so many bytes, began to be sent in; () where nothing of it was.

        Where it was tried in several ways, those count of which something is loaded; then those in doubt.
        """
        ways = [*(cut.pieces for cut in self._cuts(sha256)), (Piece(0, length, sha256),)]
        in_doubt, refused = self._in_doubt(), self._refused()

        def trace(pieces: tuple[Piece, ...]) -> int:
            found = [f for piece in pieces for f in self.loaded(piece.sha256)]
            if any(f.counts for f in found):
                return 3
            if any(f.lost_sight for f in found) or any(piece.sha256 in in_doubt for piece in pieces):
                return 2
            return int(bool(found) or any(piece.sha256 in refused for piece in pieces))

        best = max(ways, key=trace)
        return best if trace(best) else ()

    def sealed(self, source: str, seal: str | None) -> Cut | None:
        """What is known of the content of a remote object that still is what its store said then."""
        if seal is None:
            return None
        found = [f.cut for f in self.ledger.cuts_of(self.kind, source) if self.owns(f) and f.cut.seal == seal]
        return found[-1] if found else None

    def _cuts(self, sha256: str) -> list[Cut]:
        """How this import cut a content, the newest first."""
        return [f.cut for f in reversed(self.ledger.cuts(self.kind, sha256)) if self.owns(f)]

    def _in_doubt(self) -> frozenset[str]:
        mine = (d for d in self.ledger.open_doubts() if d.kind == self.kind)
        return frozenset(d.sha256 for d in mine if base_of(d.address) in self.bases or d.import_id == self.import_id)

    def _refused(self) -> frozenset[str]:
        addresses = (a for a in self.ledger.addresses() if base_of(a) in self.bases)
        return frozenset(sha256 for address in addresses for sha256 in self.ledger.refusals(address))


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
    return history.begun(grown.sha256, grown.bytes)


def tails(grown: Grown, on_growth: OnGrowth) -> bool:
    """Whether only what is new of a file is to be loaded."""
    return grown.whole_records and on_growth == "tail"
