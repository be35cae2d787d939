"""Plans of every kind of action, for hypothesis: any values of the right types, sensible or not."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from mics_iac.core.plan import (
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
    Policy,
    Refused,
    Skip,
    SourceCut,
    Stuck,
    Upload,
    digest_of,
)
from mics_iac.core.settings import Settings
from mics_iac.core.state import Cut, Piece
from mics_iac.documents.report import Finding
from mics_iac.documents.rules import RULES
from tests.core.state_places import PLACES

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SHA = st.binary(min_size=32, max_size=32).map(bytes.hex)
COUNTS = st.integers(0, 2**53)
IDS = st.integers(1, 10**9).map(str)
FLAGS = st.booleans()


def profiles(*, name: str = "A", document_type: str = "USER_PROFILE") -> Settings:
    """Settings of an import in datamart 1."""
    return Settings("1", name, document_type, "APPLICATION_X_NDJSON", "utf-8", "MEDIUM")


ADDRESSES = st.sampled_from(["fr/a", "fr/b", "de/a", "fr/c@2026-01-15"])
SETTINGS = st.builds(Settings, IDS, WORDS, WORDS, WORDS, WORDS, WORDS)
PARTS = (WORDS, st.integers(1, 999), SHA, COUNTS)
SEALS = st.none() | WORDS
PIECES = st.builds(Piece, COUNTS, COUNTS, SHA)
CUTS = st.builds(Cut, WORDS, SHA, COUNTS, st.lists(PIECES, max_size=2).map(tuple), SEALS, COUNTS, SEALS)
CODES = st.dictionaries(st.sampled_from(sorted(RULES)), COUNTS, max_size=2)
FINDINGS = st.builds(Finding, COUNTS, COUNTS, st.sampled_from(sorted(RULES)), WORDS, WORDS)
CHECKED = st.builds(
    Checked, ADDRESSES, WORDS, CODES, CODES, st.lists(FINDINGS, max_size=2).map(tuple), FLAGS, COUNTS, SEALS
)
ACTIONS = st.one_of(
    st.builds(Create, ADDRESSES, SETTINGS, FLAGS, WORDS, st.none() | IDS),
    st.builds(Adopt, ADDRESSES, IDS, SETTINGS, FLAGS, WORDS, FLAGS),
    st.builds(Change, ADDRESSES, IDS, SETTINGS, SETTINGS),
    st.builds(Guard, ADDRESSES, FLAGS),
    st.builds(Move, ADDRESSES, ADDRESSES),
    st.builds(Keep, ADDRESSES, IDS, SETTINGS),
    st.builds(
        Upload, ADDRESSES, *PARTS, COUNTS, COUNTS, WORDS, FLAGS, FLAGS, st.none() | st.tuples(COUNTS, COUNTS), SEALS
    ),
    st.builds(Fetch, ADDRESSES, WORDS, COUNTS, SEALS, WORDS),
    st.builds(Skip, ADDRESSES, *PARTS, COUNTS, WORDS),
    st.builds(Stuck, ADDRESSES, *PARTS, COUNTS, WORDS),
)
LISTS = st.lists(WORDS, max_size=2).map(tuple)


def _digested(plan: Plan) -> Plan:
    return msgspec.structs.replace(plan, digest=digest_of(plan))


PLANS = st.builds(
    Plan,
    mics_iac_version=WORDS,
    api_url=WORDS,
    environment=st.none() | WORDS,
    manifest_path=WORDS,
    manifest=st.lists(st.builds(ManifestPin, WORDS, SHA), max_size=2).map(tuple),
    datamarts=st.dictionaries(st.sampled_from(["fr", "de"]), IDS),
    state=st.none() | PLACES,
    base=st.builds(Base, st.none() | WORDS, COUNTS, WORDS),
    options=st.builds(Options, LISTS, LISTS, LISTS, LISTS, FLAGS),
    policies=st.dictionaries(ADDRESSES, st.builds(Policy, WORDS, FLAGS, LISTS), max_size=2),
    actions=st.lists(ACTIONS, max_size=5).map(tuple),
    leftovers=st.lists(st.builds(Leftover, ADDRESSES, IDS, SETTINGS, FLAGS, FLAGS), max_size=2).map(tuple),
    earlier=st.dictionaries(ADDRESSES, COUNTS, max_size=2),
    pins=st.dictionaries(WORDS, WORDS, max_size=2),
    warnings=LISTS,
    refusals=st.lists(st.builds(Refused, ADDRESSES, WORDS), max_size=2).map(tuple),
    cuts=st.lists(st.builds(SourceCut, ADDRESSES, CUTS), max_size=2).map(tuple),
    checked=st.lists(CHECKED, max_size=2).map(tuple),
    refreshed=FLAGS,
).map(_digested)
