"""Plans made by hand, each of another kind."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from mics_iac.core.plan import (
    Action,
    Adopt,
    Base,
    Change,
    Create,
    Guard,
    Keep,
    Leftover,
    ManifestPin,
    Move,
    Options,
    Plan,
    Refused,
    Skip,
    Stuck,
    Upload,
)
from mics_iac.core.settings import Settings

HOSTILE = "evil\x1b[2J\x07\u202egnp.exe\u200b\n+ fr/fake will be created\x9b31m"


def settings(name: str, document_type: str = "USER_ACTIVITY", *, datamart: str = "1502", **others: str) -> Settings:
    given = {"mime_type": "APPLICATION_X_NDJSON", "encoding": "utf-8", "priority": "MEDIUM"} | others
    return Settings(datamart, name, document_type, **given)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def upload(address: str, source: str, *, size: int, records: int, part: int = 1, reason: str = "new") -> Upload:
    return Upload(address, source, part, digest(f"{source}{part}"), size, records, records, reason)


def skip(address: str, source: str, *, size: int = 2000, records: int = 10, reason: str = "loaded") -> Skip:
    return Skip(address, source, 1, digest(source), size, records, reason)


def plan(*actions: Action, **others: object) -> Plan:
    made = Plan(
        mics_iac_version="0.1.0",
        api_url="https://api.mediarithmics.com",
        environment="production",
        manifest_path="imports.yaml",
        manifest=(ManifestPin("imports.yaml", digest("manifest")),),
        datamarts={"de": "1503", "fr": "1502"},
        state=None,
        base=Base("0d5c1c1e-9f5c-4f5e-8a51-3f4a6f1d2b3c", 12, "c0ffee"),
        options=Options(),
        policies={},
        actions=actions,
        digest=f"sha256:{digest('what would be done')}",
    )
    return msgspec.structs.replace(made, **others)


def rich() -> Plan:
    """A bit of everything."""
    crm = settings("CRM profiles", "USER_PROFILE")
    return plan(
        Create("fr/store-visits", settings("Store visits"), protect=False, reason="new"),
        upload("fr/store-visits", "data/store-visits/2026-01-15.ndjson", size=1_300_400_000, records=2_410_332),
        upload("fr/store-visits", "data/store-visits/2026-01-16.ndjson", size=999, records=1),
        Change("fr/crm-profiles", "558", crm, msgspec.structs.replace(crm, name="CRM", priority="HIGH")),
        *(skip("fr/crm-profiles", f"data/crm/{n:02}.ndjson") for n in range(86)),
        Stuck(
            "fr/crm-profiles", "data/crm/bad.ndjson", 1, digest("bad"), 5000, 20,
            "execution 771 FAILED: sent again only with --retry-failed",
        ),
        Create(
            "de/segments", settings("Segmente", "USER_SEGMENT", datamart="1503", mime_type="TEXT_CSV"),
            protect=True, reason="cannot change in place: mime_type APPLICATION_X_NDJSON -> TEXT_CSV", replaces="601",
        ),
        *(upload("de/segments", "data/große Segmente.csv", size=99_000_000, records=10**6, part=n) for n in (1, 2, 3)),
        Adopt(
            "de/choices", "602", settings("Choices", "USER_CHOICE", datamart="1503"), True,
            "same name and document type",
        ),
        Move("fr/optins", "fr/choices"),
        Keep("fr/optins", "559", settings("Opt-ins", "USER_CHOICE")),
        Guard("fr/optins", True),
        Keep("fr/quiet", "560", settings("Quiet")),
        skip("fr/quiet", "data/quiet.ndjson"),
        leftovers=(
            Leftover("fr/old", "501", settings("Old visits"), protect=True, replaced=False),
            Leftover("de/segments", "601", settings("Segmente", "USER_SEGMENT", datamart="1503"), False, replaced=True),
        ),
        earlier={"fr/crm-profiles": 12},
        warnings=("2 files are older than the last run",),
    )  # fmt: skip


def unchanged() -> Plan:
    return plan(Keep("fr/quiet", "560", settings("Quiet")), skip("fr/quiet", "data/quiet.ndjson"))


def uploads_alone() -> Plan:
    return plan(
        Keep("fr/quiet", "560", settings("Quiet")),
        skip("fr/quiet", "data/1.ndjson", reason="loaded by execution 12"),
        upload("fr/quiet", "data/2.ndjson", size=1_000_000, records=4000, reason="changed since execution 9 loaded it"),
    )


def refused() -> Plan:
    return plan(
        Keep("fr/quiet", "560", settings("Quiet")),
        options=Options(target=("fr/*",)),
        refusals=(
            Refused("fr/quiet", "data/2.ndjson: the same content would be loaded twice. Remove one of the two"),
            Refused("fr/new", "if it was renamed, add:\n  moved:\n    - {from: fr/a, to: fr/new}"),
        ),
    )


def hostile() -> Plan:
    return plan(
        Adopt("fr/a", "602", settings(HOSTILE, HOSTILE, priority=HOSTILE), False, HOSTILE),
        Change("fr/a", "602", settings(HOSTILE), settings("plain")),
        upload("fr/a", f"data/{HOSTILE}", size=1, records=1, reason=HOSTILE),
        api_url=f"https://{HOSTILE}",
        environment=HOSTILE,
        datamarts={"fr": HOSTILE},
        leftovers=(Leftover(f"fr/{HOSTILE}", HOSTILE, settings(HOSTILE), False, replaced=False),),
        earlier={HOSTILE: 1},
        warnings=(HOSTILE,),
        refusals=(Refused(f"fr/{HOSTILE}", HOSTILE),),
    )


PLANS = {"rich": rich, "unchanged": unchanged, "uploads_alone": uploads_alone, "refused": refused}
