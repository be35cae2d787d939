"""docs/commands.md and the help say what the commands are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mics_iac.cli.main import COMMANDS, EXIT_CODES, cli

TEXT = (Path(__file__).parents[2] / "docs/commands.md").read_text(encoding="utf-8")

# These approve, may load data again, or move the state: they must stand in the command that is run.
TYPED_ONLY = {"auto_approve", "reload", "ignore_history", "force", "execution", "resend", "to"}


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        ctx = click.Context(command, info_name=path[-1], **cli.context_settings)
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from walk(below, (*path, name))


ALL = dict(walk(cli, ("mics-iac",)))
OPTIONS = [
    pytest.param(option, id=f"{name} {option.opts[-1]}")
    for name, command in ALL.items()
    for option in command.params
    if isinstance(option, click.Option) and option.name != "version"
]


@pytest.mark.parametrize("name", ALL)
def test_each_command_is_documented_and_has_help_with_examples(name: str) -> None:
    command = ALL[name]
    if name != "mics-iac":
        assert re.search(rf"^{re.escape(name)}\b", TEXT, re.MULTILINE)
        assert command.short_help
    assert command.help
    assert isinstance(command, click.Group) or "Examples:" in command.help


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_is_documented_and_has_help(option: click.Option) -> None:
    assert option.help
    for name in (*option.opts, *option.secondary_opts):
        assert re.search(rf"`{re.escape(name)}[ `]", TEXT), f"{name} is not in docs/commands.md"
    if option.name in TYPED_ONLY:
        assert option.envvar is None
    else:
        assert f"`{option.envvar}`" in TEXT
        assert str(option.envvar).startswith("MICS_IAC_")
        assert option.show_envvar


def test_each_exit_code_is_documented_and_in_the_help() -> None:
    shown = cli.get_help(click.Context(cli, info_name="mics-iac", **cli.context_settings))
    for code, meaning in EXIT_CODES:
        assert re.search(rf"^\| {code} \|", TEXT, re.MULTILINE)
        assert f"{code:>3}  {meaning}" in shown


def test_the_table_of_commands_is_the_commands() -> None:
    listed = re.findall(r"^\| \[`([\w-]+)`\]", TEXT, re.MULTILINE)
    assert listed == list(COMMANDS)
    assert {name: entry.short for name, entry in COMMANDS.items()} == {
        name: ALL[f"mics-iac {name}"].short_help for name in COMMANDS
    }


def test_no_option_is_documented_that_there_is_not() -> None:
    live = {
        name for command in ALL.values() for param in command.params for name in (*param.opts, *param.secondary_opts)
    }
    live |= {"--help", "-h", "--version", "-V"}
    assert set(re.findall(r"`(--?[a-zA-Z][a-z-]*)", TEXT)) <= live
