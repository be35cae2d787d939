"""What an import and an execution look like at one moment. The clock alone moves an execution on.

Pure: rows and a time in, the platform's JSON out (mediarithmics-api.md 2.1 and 3.1, documented). Times are epoch
milliseconds.
"""

from __future__ import annotations

from typing import Any

from mics_iac.sandbox.profile import Profile
from mics_iac.sandbox.store import ExecutionRow, ImportRow

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "LOST"})


def import_json(row: ImportRow, profile: Profile) -> dict[str, Any]:
    """The eight documented fields."""
    return {
        "id": str(row.id),
        "datafarm_key": profile.datafarm_key,
        "datamart_id": row.datamart_id,
        "document_type": row.document_type,
        "mime_type": row.mime_type,
        "encoding": row.encoding,
        "name": row.name,
        "priority": row.priority,
    }


def status_of(row: ExecutionRow, now: int) -> str:
    """The status at `now`: PENDING until it starts, RUNNING until it ends, then what it was to become."""
    if row.canceled is not None:
        return "CANCELED"
    if row.starts is None or now < row.starts:
        return "PENDING"
    if row.ends is None or now < row.ends:
        return "RUNNING"
    return row.outcome


def execution_json(row: ExecutionRow, profile: Profile, now: int) -> dict[str, Any]:
    """All fields as they are at `now`; `end_date` is absent until the execution has ended (documented sample)."""
    status = status_of(row, now)
    started = row.canceled is None and status != "PENDING"
    ended = status in ENDED
    shown = row.odd_status if row.odd_status is not None and not ended else status
    ended_at = row.canceled if row.canceled is not None else row.ends
    fields: dict[str, Any] = {
        "id": str(row.id),
        "status": shown,
        "creation_date": row.created,
        "start_date": row.starts if started else None,
        "duration": (row.ends or 0) - (row.starts or 0) if started and ended else None,
    }
    if ended:
        fields["end_date"] = ended_at
    return {
        **fields,
        "parameters": _parameters(row) if started else None,
        "result": _result(row) if status == "SUCCEEDED" else None,
        "error": {"message": row.message or "The import failed"} if status == "FAILED" else None,
        "organisation_id": profile.organisation_id,
        "user_id": None,
        "cancel_status": "DONE" if row.canceled is not None else None,
        "debug": None,
        "is_retryable": False,
        "permalink_uri": f"jobs/{row.id}",
        "num_tasks": 1 if started else None,
        "completed_tasks": int(ended) if started else None,
        "erroneous_tasks": int(status == "FAILED") if started else None,
        "retry_count": 0,
        "job_type": "DOCUMENT_IMPORT",
        "import_mode": "MANUAL_FILE",
        "import_type": None,
    }


def _parameters(row: ExecutionRow) -> dict[str, Any]:
    return {
        "datamart_id": int(row.datamart_id),
        "document_import_id": row.import_id,
        "mime_type": row.mime_type,
        "document_type": row.document_type,
        "input_file_name": row.file_name,
        "file_uri": row.input_uri,
        "number_of_lines": row.lines,
        "segment_id": None,
    }


def _result(row: ExecutionRow) -> dict[str, Any]:
    return {
        "total_success": row.success,
        "total_failure": row.failure,
        "input_file_name": row.file_name,
        "input_file_uri": row.input_uri,
        "error_file_uri": row.errors_uri,
        "possible_issue_on_identifiers": False,
        "top_identifiers": {},
    }


def timed(profile: Profile, *, created: int, busy_until: int) -> tuple[int, int]:
    """When an execution made at `created` starts and ends; `busy_until` is the end of the one before it."""
    starts = created + profile.queue_ms
    if profile.queue == "sequential":
        starts = max(starts, busy_until)
    return starts, starts + profile.run_ms
