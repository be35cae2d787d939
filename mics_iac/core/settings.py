"""The settings of a document import: the one value that manifest, plan, state and platform have in common.

Pure. Knows nothing of where a settings value came from.
"""

from __future__ import annotations

import msgspec

# What `PUT` may change without a new import; every other field needs a replacement.
# mediarithmics-api.md 2.4, inferred: the vendor's form edits all five, the server's own rule is unknown.
CHANGEABLE = ("name", "priority")

# A change of one of these starts an empty ledger: the data goes to another place, or means something else.
IDENTIFYING = ("datamart_id", "document_type")


class Settings(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a document import is. mediarithmics-api.md 2.1, documented."""

    datamart_id: str
    name: str
    document_type: str
    mime_type: str
    encoding: str
    priority: str

    @property
    def kind(self) -> tuple[str, str]:
        """Where loaded content counts as the same content: (datamart id, document type)."""
        return (self.datamart_id, self.document_type)

    @property
    def title(self) -> tuple[str, str, str]:
        """What an import is found by when the state does not know it: (datamart id, name, document type)."""
        return (self.datamart_id, self.name, self.document_type)
