"""What the platform does where nobody knows what it does: every assumption is a switch with a default.

The defaults are the "emulator default" column of mediarithmics-api.md section 7 (all inferred). Knows no rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One way in which the platform may behave; a test that matters runs under several."""

    # How long an execution stays PENDING, then RUNNING, in milliseconds.
    queue_ms: int = 300
    run_ms: int = 300
    # "sequential": an execution starts only when the one before it in the same import has ended.
    queue: Literal["parallel", "sequential"] = "parallel"

    # Pages: the size when none is asked for, and the most that is given, silently, whatever is asked.
    page_size: int = 50
    page_limit: int | None = None
    total: bool = True
    import_order: Literal["id_asc", "id_desc", "name"] = "id_asc"
    execution_order: Literal["newest_first", "oldest_first"] = "newest_first"

    # Whether PUT may change the document type, the mime type and the encoding too; otherwise that is a 400.
    put_changes_all: bool = False
    unknown_document_types: bool = False
    # Whether DELETE answers 204 with no body, or 200 with an envelope.
    delete_empty: bool = False

    # Uploads: the largest file in bytes (413 above), and whether one without a Content-Length is refused (411).
    size_limit: int = 100 * MEBIBYTE
    needs_content_length: bool = False

    # What `number_of_lines` counts: a csv header, a last line without its line feed; blank lines are passed over,
    # counted (though never applied), or refused at upload.
    counts_header: bool = False
    counts_unterminated: bool = True
    blank_lines: Literal["skip", "count", "refuse"] = "skip"

    # Who is let in: any non-empty token, or these alone; each for so many requests (401 after).
    tokens: frozenset[str] | None = None
    token_requests: int | None = None
    # Datamarts: any id of digits exists, or these alone (404 for others).
    datamarts: frozenset[str] | None = None

    organisation_id: str = "600"
    datafarm_key: str = "DF_EU_2021_09"
    compartment_id: str = "1000"
    user_point_system_version: str = "v202205"
