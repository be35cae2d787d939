"""A place becomes a backend: files where they belong, and a clear word where this installation cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mics_iac.core.place import BucketPlace, FilePlace, StatePlace
from mics_iac.errors import StoreFailed
from mics_iac.store.backend import Backend
from mics_iac.store.open import open_backend
from tests.clocks import SteppingClock


def opened(place: StatePlace, root: Path) -> Backend:
    return open_backend(
        place, root=root, name="imports.fr.state.json", environ={}, clock=SteppingClock(), way=lambda _: (None, None)
    )


@pytest.mark.parametrize(
    ("path", "found"), [(None, "imports.fr.state.json"), ("a/b.json", "a/b.json"), ("/srv/b.json", "/srv/b.json")]
)
def test_a_file_stands_where_the_place_says(tmp_path: Path, path: str | None, found: str) -> None:
    assert opened(FilePlace(path), tmp_path).describe() == str(tmp_path / found)


def test_without_the_extra_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)  # as it is where nobody installed it
    with pytest.raises(StoreFailed, match="s3://acme") as caught:
        # Opened it can be: what asks nothing of it, such as `validate`, needs no extra.
        opened(BucketPlace("s3", "acme", "p"), tmp_path).read()
    assert "pip install 'mics-iac[objects]'" in str(caught.value.remedy)
