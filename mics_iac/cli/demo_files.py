"""The project that `demo` writes: two datamarts, five imports, made-up people. Pure and deterministic.

The lines have the shapes of mediarithmics-api.md section 4 (documented). Nobody in them exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from mics_iac.core.starter import GITIGNORE

_MANIFEST: Final = """\
# A project of mics-iac, to be played with. It talks to the sandbox: every command takes --sandbox.
version: 1

variables:
  night: {description: night of the export, pattern: '\\d{4}-\\d\\d-\\d\\d', default: "2026-01-15"}

defaults:
  priority: MEDIUM
  # The platform advises a thousand records and more in a file. Those of a game are smaller, and nobody minds.
  ignore: [MICS380]

datamarts:
  fr:
    id: "1502"
    imports:
      store-visits:
        name: Store visits
        document_type: USER_ACTIVITY
        sources: [data/fr/visits/*.ndjson]
      crm-profiles:
        # Each night is a batch of its own: a new import, while the earlier ones stay as they are.
        name: CRM profiles ${night}
        batch: ${night}
        document_type: USER_PROFILE
        priority: HIGH
        # Records that are not valid are left out and kept in .mics-iac/rejects; without this their file is refused.
        on_invalid: skip
        # Up to 1 % of the records sent may be rejected; one more, and apply ends with exit code 7.
        max_failures: 1%
        sources:
          - data/fr/crm/${night}.ndjson
      consents:
        name: Newsletter consents
        document_type: USER_CHOICE
        protect: true
        sources: [data/fr/consents.ndjson]
      vip-segment:
        name: VIP segment
        document_type: USER_SEGMENT
        mime_type: TEXT_CSV
        sources: [data/fr/vip.csv]
  de:
    id: "1503"
    imports:
      store-visits:
        name: Filialbesuche
        document_type: USER_ACTIVITY
        sources: [data/de/visits/*.ndjson]
"""

_NIGHT: Final = 1_768_435_200_000  # 2026-01-15T00:00:00Z in epoch milliseconds
_DAY: Final = 86_400_000
_BAD_LINES: Final = frozenset({97, 311, 402, 588, 731})  # five of 800 profiles say neither UPSERT nor DELETE


def demo_files() -> dict[str, str]:
    """The text of each file by its path."""
    files = {"imports.yaml": _MANIFEST, ".gitignore": GITIGNORE}
    for day, date in enumerate(("2026-01-15", "2026-01-16", "2026-01-17")):
        files[f"data/fr/visits/{date}.ndjson"] = _ndjson(_visit("fr", day, n) for n in range(600 + 40 * day))
    for day, date in enumerate(("2026-01-15", "2026-01-16")):
        files[f"data/de/visits/{date}.ndjson"] = _ndjson(_visit("de", day, n) for n in range(350 + 20 * day))
        files[f"data/fr/crm/{date}.ndjson"] = _ndjson(_profile(day, n) for n in range(800))
    files["data/fr/consents.ndjson"] = _ndjson(_consent(n) for n in range(300))
    files["data/fr/vip.csv"] = "operation,email_hash,segment_technical_name,expiration_duration\n" + "".join(
        f"{'DELETE' if n % 20 == 0 else 'UPDATE'},{_email_hash('fr', n)},vip_customers,43200\n" for n in range(250)
    )
    return files


def _ndjson(lines: Iterator[dict[str, object]]) -> str:
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in lines)


def _email_hash(country: str, number: int) -> str:
    return sha256(f"customer-{number}@shop-{country}.example".encode()).hexdigest()


def _visit(country: str, day: int, number: int) -> dict[str, object]:
    moment = _NIGHT + day * _DAY + number * 61_000
    return {
        "$type": "TOUCH",
        "$session_status": "NO_SESSION",
        "$ts": moment,
        "$email_hash": {"$hash": _email_hash(country, number * 7 % 500)},
        "$events": [
            {
                "$event_name": "store-visit",
                "$ts": moment,
                "$properties": {"store": f"{country}-{number % 12:02}", "basket": number * 37 % 9000 / 100},
            }
        ],
    }


def _profile(day: int, number: int) -> dict[str, object]:
    wrong = day == 0 and number in _BAD_LINES
    return {
        "operation": "UPDATE" if wrong else "UPSERT",
        "email_hash": _email_hash("fr", number),
        "update_strategy": "PARTIAL_UPDATE",
        "user_profile": {"loyalty": ["bronze", "silver", "gold"][number % 3], "orders": (number + day) % 17},
    }


def _consent(number: int) -> dict[str, object]:
    return {
        "operation": "UPSERT",
        "email_hash": _email_hash("fr", number),
        "force_replace": True,
        "user_choice": {
            "$processing_id": "1207",
            "$choice_ts": _NIGHT + number,
            "$choice_acceptance_value": number % 4 != 0,
        },
    }
