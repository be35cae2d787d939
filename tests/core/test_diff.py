"""What differs between two settings."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mics_iac.core.diff import field_changes
from mics_iac.core.settings import Settings

TEXTS = st.text(max_size=3)
SETTINGS = st.builds(Settings, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS.map(str.lower), TEXTS)


@given(SETTINGS, SETTINGS)
@settings(deadline=None)
def test_the_changes_are_the_fields_that_differ_and_lead_from_one_to_the_other(
    before: Settings, after: Settings
) -> None:
    changes = field_changes(before, after)
    assert [c.field for c in changes] == sorted(
        name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)
    )
    assert all((c.before, c.after) == (getattr(before, c.field), getattr(after, c.field)) for c in changes)
    assert msgspec.structs.replace(before, **{c.field: c.after for c in changes}) == after


@given(SETTINGS)
@settings(deadline=None)
def test_equal_settings_do_not_differ(settings: Settings) -> None:
    assert field_changes(settings, msgspec.structs.replace(settings)) == ()


@given(SETTINGS, st.sampled_from(["utf-8", "latin-1", "us-ascii"]))
def test_the_name_of_an_encoding_has_no_case(settings: Settings, name: str) -> None:
    quiet = msgspec.structs.replace(settings, encoding=name)
    assert field_changes(quiet, msgspec.structs.replace(settings, encoding=name.upper())) == ()
