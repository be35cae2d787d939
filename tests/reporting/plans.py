"""Plans made by hand, each of another kind."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from mics_iac.core.plan import (
    Action,
    Adopt,
    Base,
    Change,
    Checked,
    Create,
    Fetch,
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
from mics_iac.documents.report import Finding

HOSTILE = "evil\x1b[2J\x07\u202egnp.exe\u200b\n+ fr/fake will be created\x9b31m"


def settings(name: str, document_type: str = "USER_ACTIVITY", *, datamart: str = "1502", **others: str) -> Settings:
    given = {"mime_type": "APPLICATION_X_NDJSON", "encoding": "utf-8", "priority": "MEDIUM"} | others
    return Settings(datamart, name, document_type, **given)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def upload(address: str, source: str, *, size: int, records: int, part: int = 1, reason: str = "new") -> Upload:
    return Upload(address, source, part, digest(f"{source}{part}"), size, records, records, reason)


def skip(
    address: str, source: str, *, size: int = 2000, records: int = 10, part: int = 1, reason: str = "loaded"
) -> Skip:
    return Skip(address, source, part, digest(source if part == 1 else f"{source}{part}"), size, records, reason)


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


def unread() -> Plan:
    """Big files in parts, remote ones that were not read, and findings of both kinds."""
    big = "data/big.ndjson"
    few = Finding(0, 0, "MICS380", "", "5 records: the platform advises 1,000 or more in a file")
    blank = tuple(Finding(n, 1, "MICS312", "", "blank line: remove it") for n in range(1, 11))
    return plan(
        Keep("fr/visits", "559", settings("Visits")),
        *(skip("fr/visits", big, size=10**8, records=250_000, part=n, reason=f"by {n}") for n in (1, 2, 3)),
        Stuck("fr/visits", big, 4, digest("4"), 10**8, 250_000, "execution 774 FAILED: sent again with --retry-failed"),
        *(upload("fr/visits", big, size=10**8, records=250_000, part=n, reason="not loaded yet") for n in (5, 6)),
        upload("fr/visits", "data/part.ndjson", size=1000, records=5),
        Fetch("fr/visits", "s3://acme/visits/1.ndjson.gz", 12_300_000, "etag 5", "not read yet"),
        *(skip("fr/visits", "data/old.ndjson", part=n, reason=f"by execution {n}") for n in (1, 2)),
        Keep("fr/remote", "560", settings("Remote")),
        Fetch("fr/remote", "gs://acme/r/1.ndjson", 1_000_000_000, "1", "read again: not all of it is loaded"),
        Fetch("fr/remote", "gs://acme/r/2.ndjson", 200_000_000, "1", "not read yet"),
        checked=(
            Checked("fr/visits", "data/part.ndjson", {}, {"MICS380": 1, "MICS312": 40}, (few, *blank)),
            Checked("fr/visits", big, {}, {"MICS312": 1}, blank[:1]),
            Checked(
                "fr/visits", "data/skip.ndjson", {"MICS306": 3}, {}, (Finding(7, 2, "MICS306", "", "not valid JSON"),),
                dropped=3, rejects=".mics-iac/rejects/fr_visits.skip.ndjson.0123456789ab.txt",
            ),
            Checked(
                "fr/visits", "data/send.ndjson", {"MICS320": 2}, {},
                (Finding(9, 1, "MICS320", "$ts", "missing field"),),
            ),
        ),
    )  # fmt: skip


def invalid() -> Plan:
    """A file with errors, beside a refusal."""
    errors = tuple(Finding(n, 3, "MICS306", "", "not valid JSON") for n in range(1, 11))
    other = Finding(12, 40, "MICS321", "$events[0].$ts", "wrong type: write a number")
    checked = Checked("fr/visits", "data/bad.ndjson", {"MICS306": 1244, "MICS321": 1}, {}, (*errors, other), True)
    return plan(
        Keep("fr/visits", "559", settings("Visits")),
        upload("fr/visits", "data/bad.ndjson", size=100_000, records=2000),
        refusals=(Refused("fr/new", "two imports have that name"),),
        checked=(checked,),
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
        checked=(
            Checked("fr/a", f"data/{HOSTILE}", {"MICS306": 2}, {}, (Finding(1, 1, "MICS306", HOSTILE, HOSTILE),), True),
            Checked("fr/a", f"more/{HOSTILE}", {"MICS306": 2}, {}, (), dropped=1, rejects=HOSTILE),
        ),
    )


PLANS = {
    "rich": rich,
    "unchanged": unchanged,
    "uploads_alone": uploads_alone,
    "refused": refused,
    "unread": unread,
    "invalid": invalid,
}
