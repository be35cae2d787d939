"""Which files a source of the manifest names, and what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mics_iac.core.manifest import Place, SourceSpec
from mics_iac.sources.local import LocalSource

PLACE = Place("imports.yaml", 7, 9)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")


def find(root: Path, path: str, *, outside: bool = False, empty: bool = False) -> list[str]:
    """The paths that are found where nothing may be wrong."""
    found, problems = LocalSource(root).find(SourceSpec(path, empty, outside, PLACE))
    assert problems == []
    return [f.path for f in found]


def wrong(root: Path, path: str, *, outside: bool = False) -> list[tuple[str, str]]:
    """Code and message of each problem, all at their place."""
    _, problems = LocalSource(root).find(SourceSpec(path, False, outside, PLACE))
    assert all((p.file, p.line, p.column) == ("imports.yaml", 7, 9) for p in problems)
    return [(p.code, p.message) for p in problems]


def test_a_glob_names_files_in_the_order_of_their_bytes(root: Path) -> None:
    put(root, "data/b", "data/a", "data/B", "data/10", "data/9", "data/é", "data/z", "data/a b", "data/日本")
    assert find(root, "data/*") == [
        f"data/{n}" for n in ("10", "9", "B", "a", "a b", "b", "z", "é", "日本")
    ]  # fmt: skip


def test_the_order_does_not_depend_on_that_of_creation(root: Path) -> None:
    names = [f"data/{n:03d}" for n in range(50)]
    put(root, *reversed(names))
    assert find(root, "data/*") == names


def test_a_star_passes_over_hidden_files_and_folders(root: Path) -> None:
    put(root, "data/a", "data/.hidden", ".secret/a", "data/.git/a")
    assert find(root, "*/*") == ["data/a"]
    assert find(root, "**") == ["data/a"]
    assert find(root, "data/.*") == ["data/.hidden"]
    assert find(root, ".secret/*") == [".secret/a"]


def test_two_stars_are_any_number_of_folders(root: Path) -> None:
    put(root, "a.x", "data/b.x", "data/deep/deeper/c.x", "data/deep/c.y")
    assert find(root, "**/*.x") == ["a.x", "data/b.x", "data/deep/deeper/c.x"]
    assert find(root, "data/**") == ["data/b.x", "data/deep/c.y", "data/deep/deeper/c.x"]
    assert find(root, "**/deep/**/*.x") == ["data/deep/deeper/c.x"]


def test_two_stars_follow_no_links(root: Path) -> None:
    put(root, "data/a.x", "elsewhere/b.x")
    (root / "data/loop").symlink_to(root / "data")
    (root / "data/other").symlink_to(root / "elsewhere")
    assert find(root, "data/**/*.x") == ["data/a.x"]


def test_names_that_look_like_globs_are_taken_as_they_are(root: Path) -> None:
    put(root, "data/[2026] visits.x", "data/2 visits.x")
    assert find(root, "data/[2026] visits.x") == ["data/[2026] visits.x"]
    assert find(root, "data/[!2]*") == ["data/[2026] visits.x"]
    assert find(root, "data/? visits.x") == ["data/2 visits.x"]


def test_names_with_newlines_and_quotes_are_names(root: Path) -> None:
    put(root, "data/a\nb", "data/'\"", "data/ -x")
    assert find(root, "data/*") == ["data/ -x", "data/'\"", "data/a\nb"]


def test_a_name_that_is_not_utf_8_is_told_without_breaking_anything(root: Path) -> None:
    put(root, "data/good")
    with open(os.fsencode(root) + b"/data/bad\xff\n", "wb") as file:  # noqa: PTH123 - a name that Path has no text for
        file.write(b"{}\n")
    ((code, message),) = wrong(root, "data/*")
    assert code == "MICS204"
    assert "\\xff" in message
    message.encode()


def test_nothing_there_is_an_error_unless_allowed(root: Path) -> None:
    assert [code for code, _ in wrong(root, "data/*.x")] == ["MICS201"]
    assert [code for code, _ in wrong(root, "data/a.x")] == ["MICS201"]
    assert find(root, "data/*.x", empty=True) == []
    assert find(root, "data/a.x", empty=True) == []


def test_everything_wrong_is_told_at_once(root: Path) -> None:
    put(root, "data/good")
    os.mkfifo(root / "data/pipe")
    (root / "data/empty").touch()
    (root / "data/dangling").symlink_to("nowhere")
    (root / "data/out").symlink_to(root.parent / "secret")
    (root.parent / "secret").write_text("x")
    found = {message.split()[0]: code for code, message in wrong(root, "data/*")}
    assert found == {
        "data/pipe": "MICS204",
        "data/empty": "MICS205",
        "data/dangling": "MICS204",
        "data/out": "MICS202",
    }


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop", "dangling"])
def test_what_is_no_file_is_told_and_never_opened(root: Path, kind: str) -> None:
    path = root / "data"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "loop":
            path.symlink_to("data")
        case _:
            path.symlink_to("nowhere")
    for outside in (False, True):
        ((code, message),) = wrong(root, "data", outside=outside)
        assert code in {"MICS202", "MICS204"}
        assert "data" in message


def test_a_glob_over_a_looped_link_tells_of_it(root: Path) -> None:
    put(root, "data/good")
    (root / "data/loop").symlink_to("loop")
    ((code, message),) = wrong(root, "data/*")
    assert code == "MICS204"
    assert "data/" in message


def test_a_link_within_the_folder_is_a_file_like_any_other(root: Path) -> None:
    put(root, "real/a")
    (root / "link").symlink_to("real/a")
    (root / "folder").symlink_to("real")
    assert find(root, "link") == ["link"]
    assert find(root, "folder/*") == ["folder/a"]


def test_a_link_out_of_the_folder_needs_leave(root: Path) -> None:
    put(root.parent, "elsewhere/a")
    (root / "link").symlink_to(root.parent / "elsewhere/a")
    (root / "folder").symlink_to(root.parent / "elsewhere")
    for path in ("link", "folder/a", "folder/*", "*/a", "../elsewhere/a"):
        ((code, message),) = wrong(root, path)
        assert code == "MICS202"
        assert "allow_outside" in message
        assert len(find(root, path, outside=True)) == 1


def test_a_folder_reached_through_a_link_is_still_its_own(root: Path) -> None:
    put(root, "data/a")
    other = root.parent / "alias"
    other.symlink_to(root)
    assert find(other, "data/*") == ["data/a"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_or_folder_without_leave_to_read(root: Path) -> None:
    put(root, "data/a", "closed/a")
    (root / "data/a").chmod(0)
    (root / "closed").chmod(0)
    try:
        assert [code for code, _ in wrong(root, "data/a")] == ["MICS204"]
        assert [code for code, _ in wrong(root, "closed/*")] == ["MICS204"]
        assert [code for code, _ in wrong(root, "closed/a")] == ["MICS204"]
    finally:
        (root / "closed").chmod(0o700)


def test_a_file_may_be_of_any_size(root: Path) -> None:
    (root / "huge").touch()
    os.truncate(root / "huge", 10_000_000_000)
    assert find(root, "huge") == ["huge"]


def test_sizes_are_those_of_the_files(root: Path) -> None:
    (root / "a").write_bytes(b"x" * 12345)
    found, _ = LocalSource(root).find(SourceSpec("a", False, False, PLACE))
    assert [(f.path, f.bytes) for f in found] == [("a", 12345)]


def test_a_name_of_any_length_is_an_answer(root: Path) -> None:
    for path in ("x" * 5000, "a/" * 3000 + "b", "x" * 300 + "*"):
        assert {code for code, _ in wrong(root, path)} <= {"MICS201", "MICS204"}
