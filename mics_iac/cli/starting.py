"""Writes the files that a project begins with, over none that is there."""

from __future__ import annotations

from pathlib import Path

from mics_iac.cli.screen import Screen
from mics_iac.core.schema import SCHEMA_FILE, manifest_schema
from mics_iac.core.starter import GITIGNORE, STARTER_MANIFEST
from mics_iac.core.wording import visible
from mics_iac.errors import StoreFailed
from mics_iac.reporting.lines import json_text

MANIFEST_FILE = "imports.yaml"


def write_starter(screen: Screen, folder: Path) -> int:
    """Write manifest, schema and .gitignore, and say what to do next."""
    texts = {
        MANIFEST_FILE: STARTER_MANIFEST,
        SCHEMA_FILE: json_text(manifest_schema()),
        ".gitignore": GITIGNORE,
    }
    for name, text in texts.items():
        path = folder / name
        word = "wrote" if write_new(path, text) else "kept "
        screen.out(f"{word} {visible(str(path))}\n")
    there = "" if folder == Path() else f" -C {visible(str(folder))}"
    screen.out(f"\nPut the id of your datamart into {visible(str(folder / MANIFEST_FILE))}, then run:\n")
    screen.out(f"  mics-iac validate{there}\n  mics-iac plan{there} --sandbox\n")
    return 0


def write_new(path: Path, text: str) -> bool:
    """Write a file that is not there yet, with its folders; False when there is one already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        if path.is_file():
            return False
        raise StoreFailed(
            f"cannot write {visible(str(path))}: something else is in its place", remedy="choose another folder"
        ) from None
    except OSError as error:
        why = error.strerror or "the file system refused"
        raise StoreFailed(f"cannot write {visible(str(path))}: {why}", remedy="choose another folder") from error
    return True
