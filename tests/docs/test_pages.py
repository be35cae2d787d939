"""What the pages tell is what happens: their examples are run, in the order in which they stand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mics_iac.cli.main import cli
from mics_iac.cli.screen import Screen
from tests.rig import ONE_IMPORT, visits

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(?P<kind>\w+)(?: (?P<mark>[^\n]*))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


# What happens between the demo and the screen that the README shows.
A_DAY_LATER = """
sed -i.bak 's/name: Store visits/name: Visits to our stores/' imports.yaml
cp data/fr/visits/2026-01-15.ndjson data/fr/visits/copy.ndjson
sed 's/"\\$ts":1768/"$ts":1769/g' data/fr/visits/2026-01-17.ndjson > data/fr/visits/2026-01-18.ndjson
"""


def blocks(page: str) -> list[tuple[str, str, str]]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(m["kind"], m["mark"] or "", m["text"]) for m in BLOCK.finditer(text)]


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A script in a shell, with the command of this environment first on the path and nothing else of ours set."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MICS_", "CI", "GITHUB_", "GITLAB_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    return subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=folder,
        env={**own, "PATH": path, "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def sessions(console: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output it shows."""
    parts = re.split(r"^\$ (.*)$\n?", console, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def fits(shown: str, real: str) -> bool:
    """Whether the real output is the one shown; `...` stands for anything, runs of spaces for one."""
    pattern = re.escape(re.sub(r" +", " ", shown.strip())).replace(re.escape("..."), ".*").replace(r"\ ", " +")
    return re.fullmatch(pattern, real.strip(), re.DOTALL) is not None


def follow(page: str, folder: Path) -> int:
    """Do everything that a page tells to do; how many commands were run."""
    count = 0
    for kind, mark, text in blocks(page):
        if kind == "yaml":
            (folder / mark).write_text(text, encoding="utf-8")
        elif kind == "sh":
            done = run(text, folder)
            assert done.returncode == 0, done.stderr
        elif kind == "console":
            for command, shown in sessions(text):
                done = run(command, folder)
                assert done.returncode == int(mark or 0), f"$ {command}\n{done.stdout}{done.stderr}"
                # Ids are given in the order in which the imports were created, side by side.
                same = [re.sub(r"\b310\d\d\b", "310__", text) for text in (shown, done.stdout)]
                assert fits(*same), f"$ {command}\n{done.stdout}{done.stderr}"
                count += 1
    return count


@pytest.mark.slow
def test_the_tour_can_be_followed(tmp_path: Path) -> None:
    assert follow("docs/tour.md", tmp_path) >= 8


def test_the_readme_shows_a_real_screen(tmp_path: Path) -> None:
    assert run("mics-iac demo .", tmp_path).returncode == 0
    assert run(A_DAY_LATER, tmp_path).returncode == 0
    [(command, shown)] = [
        session for kind, _, text in blocks("README.md") if kind == "console" for session in sessions(text)
    ]
    done = run(command, tmp_path)
    # Ids are given in the order in which the imports were created, side by side.
    assert fits(re.sub(r"\(310\d\d\)|sha256:\w+", "...", shown), done.stdout), done.stdout


def test_the_python_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imports.yaml").write_text(ONE_IMPORT)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.ndjson").write_text(visits(0, 3))
    monkeypatch.chdir(tmp_path)
    examples = [text for kind, _, text in blocks("docs/python.md") if kind == "python"]
    assert examples
    for example in examples:
        exec(compile(example, "docs/python.md", "exec"), {})


def test_every_name_of_the_python_api_is_told() -> None:
    import mics_iac  # noqa: PLC0415 (the test is about this import)

    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert not [n for n in mics_iac.__all__ if not n.startswith("__") and n not in page]
    assert all(getattr(mics_iac, name).__doc__ for name in mics_iac.__all__ if not name.startswith("__"))


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    links = {(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+\.md)[^)]*\)", page.read_text())}
    assert [str(link) for page, link in links if not (page.parent / link).is_file()] == []


def command_lines() -> list[tuple[str, str]]:
    """Every line of the pages that is a call of the command, as it would be typed."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```(?:sh|console)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            found += [(page.name, line) for line in re.findall(r"^(?:\$ )?(mics-iac .*)$", block, re.MULTILINE)]
    return found


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_call_of_the_command_that_a_page_shows_is_one(page: str, line: str) -> None:
    args = shlex.split(re.split(r" (?:[|>] |2>)", line)[0], comments=True)[1:]
    command: click.Command = cli
    # With its own settings: click keeps the help option that it makes of them, for the tests that come after.
    context = click.Context(cli, info_name="mics-iac", obj=Screen(sys.stdout, sys.stderr, {}), **cli.context_settings)
    while isinstance(command, click.Group) and args and not args[0].startswith("-"):
        _, found, args = command.resolve_command(context, args)
        assert found is not None, line
        command = found
    command.make_context("mics-iac", args, parent=context)
