"""Reading the manifest's files: a file or a folder, and what is told when there is nothing to read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mics_iac.core.parse import parse_manifest
from mics_iac.core.yamltree import MAX_BYTES
from mics_iac.engine.manifest_files import read_manifest_texts, read_var_file_text
from mics_iac.errors import ManifestInvalid, UsageError


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imports.yaml").write_bytes(b"version: 1\n")
    monkeypatch.chdir(tmp_path)
    (text,) = read_manifest_texts(Path("imports.yaml"))
    assert (text.name, text.data) == ("imports.yaml", b"version: 1\n")


def test_a_folder_gives_its_yaml_files_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    for name in (
        "b.yaml",
        "a.yaml",
        "B.yaml",
        "é.yaml",
        "c.yml",
        ".hidden.yaml",
        "d.yaml.example",
        "imports.state.json",
    ):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "folder.yaml").mkdir()
    assert [text.data.decode() for text in read_manifest_texts(tmp_path)] == ["B.yaml", "a.yaml", "b.yaml", "é.yaml"]
    assert read_manifest_texts(tmp_path)[0].name == str(tmp_path / "B.yaml")


def test_problems_name_files_as_they_were_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.yaml").write_bytes(b"version: 1\nx: 1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(read_manifest_texts(Path("conf")))
    assert str(caught.value.problems[0]).startswith("conf/a.yaml:2:1: MICS101: ")


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*nope\.yaml") as caught:
        read_manifest_texts(tmp_path / "nope.yaml")
    assert caught.value.remedy is not None
    assert "mics-iac init" in caught.value.remedy
    assert "-f" in caught.value.remedy


def test_a_folder_without_manifests(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no \*\.yaml file in the folder"):
        read_manifest_texts(tmp_path)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(UsageError, match="no regular file"):
        read_manifest_texts(tmp_path / "pipe.yaml")
    with pytest.raises(UsageError, match="no regular file"):
        read_manifest_texts(tmp_path)


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    for path in (tmp_path / "file" / "x.yaml", Path("a\0b"), tmp_path / "loop.yaml", Path("x" * 5000)):
        with pytest.raises(UsageError) as caught:
            read_manifest_texts(path)
        assert str(caught.value).isprintable()


def test_a_link_that_leads_nowhere_in_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    with pytest.raises(UsageError, match="there is no file"):
        read_manifest_texts(tmp_path)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.touch()
    os.truncate(path, MAX_BYTES + 1)
    with pytest.raises(ManifestInvalid) as caught:
        read_manifest_texts(path)
    assert [problem.code for problem in caught.value.problems] == ["MICS017"]


def test_a_missing_file_of_variables_names_its_option(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_var_file_text(tmp_path / "nope.yaml")
    assert "--var-file" in str(caught.value.remedy)
