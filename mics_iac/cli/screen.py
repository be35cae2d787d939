"""Where characters go: results to standard output, the rest to standard error, each with or without colour.

A reader that went away (`| head`) does not stop a run and does not change its exit code: what it would have read is
thrown away. Any other trouble with the results is an error; progress that cannot be shown stops nothing either. Knows
nothing of what is shown.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from mics_iac.errors import MicsError

if TYPE_CHECKING:  # the reports cost start-up time that `--help` need not pay
    from mics_iac.reporting.lines import Line

_CALL = re.compile(r"mics-iac (state [a-z]+|lock [a-z]+|force-unlock)\b")

Color: TypeAlias = Literal["auto", "always", "never"]
Format: TypeAlias = Literal["text", "json", "github"]


class Screen:
    """The two streams of a process and how the user wants them."""

    def __init__(self, out: TextIO, err: TextIO, environ: Mapping[str, str]) -> None:
        self._out: TextIO | None = out
        self._err: TextIO | None = err
        self.environ = environ
        self.color: Color = "auto"
        self.format: Format = "text"
        self.quiet = False
        self.verbose = False
        # The options that name the same manifest again, for the commands that a message names.
        self.echo: Callable[[], str] = str

    @property
    def json(self) -> bool:
        """Whether results and errors are documents."""
        return self.format == "json"

    @property
    def out_terminal(self) -> bool:
        """Whether results go to a terminal."""
        return self._out is not None and self._out.isatty()

    @property
    def err_terminal(self) -> bool:
        """Whether progress goes to a terminal."""
        return self._err is not None and self._err.isatty()

    @property
    def interactive(self) -> bool:
        """Whether a person reads what is printed and can answer."""
        return self.out_terminal and sys.stdin is not None and sys.stdin.isatty()

    @property
    def colored_err(self) -> bool:
        """Whether progress is coloured."""
        return self._colored(self._err)

    def out(self, text: str) -> None:
        """Write to standard output."""
        self._out = _put(self._out, text)

    def out_bytes(self, data: bytes) -> None:
        """Write these very bytes to standard output, whatever its encoding is."""
        self._out = _put(self._out, data)

    def err(self, text: str) -> None:
        """Write to standard error; where that cannot be done, nobody is there to be told."""
        try:
            self._err = _put(self._err, text)
        except MicsError:
            self._err = None

    def show(self, lines: Iterable[Line]) -> None:
        """Lines of a report, to standard output."""
        self.out(self._written(lines, self._out))

    def warn(self, lines: Iterable[Line]) -> None:
        """Lines of a report, to standard error."""
        self.err(self._written(lines, self._err))

    def note(self, text: str) -> None:
        """A line about how it goes, to standard error; nothing with --quiet."""
        from mics_iac.reporting.lines import line  # noqa: PLC0415 (kept out of the start-up of --help)

        if not self.quiet:
            self.warn([line(text)])

    def begin(self, what: str) -> None:
        """The first sign of life, before anything heavy is imported; nothing with --quiet."""
        if not self.quiet:
            from mics_iac.core.wording import visible  # noqa: PLC0415 (kept out of the start-up of --help)

            self.err(f"{visible(what)} ...\n")

    def document(self, value: object) -> None:
        """A JSON document, to standard output."""
        from mics_iac.reporting.lines import json_text  # noqa: PLC0415 (kept out of the start-up of --help)

        self.out(json_text(value))

    def _written(self, lines: Iterable[Line], stream: TextIO | None) -> str:
        from mics_iac.reporting.lines import Palette, write  # noqa: PLC0415 (kept out of the start-up of --help)

        echo = self.echo()
        named = (_naming(one, echo) for one in lines) if echo else lines
        text = write(named, palette=Palette(on=self._colored(stream)), width=_width(stream))
        if self.format != "github":
            return text
        from mics_iac.reporting.github import harmless  # noqa: PLC0415 (kept out of the start-up of --help)

        return harmless(text)

    def _colored(self, stream: TextIO | None) -> bool:
        """Whether to colour: the user's word first, then NO_COLOR, FORCE_COLOR, the kind of terminal (no-color.org)."""
        if self.color != "auto":
            return self.color == "always"
        if self.environ.get("NO_COLOR"):
            return False
        if any(self.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
            return True
        return self.environ.get("TERM") != "dumb" and stream is not None and stream.isatty()


def _naming(one: Line, echo: str) -> Line:
    """The line, with these options after each command about the state that it names: it can be pasted as it is."""
    spans = tuple(span._replace(text=_CALL.sub(lambda call: call[0] + echo, span.text)) for span in one.spans)
    return replace(one, spans=spans)


def _width(stream: TextIO | None) -> int | None:
    """The columns of a terminal, None for what is none: what is piped is not wrapped."""
    if stream is None or not stream.isatty():
        return None
    try:
        # A terminal that does not know its size says 0.
        return max(40, os.get_terminal_size(stream.fileno()).columns or 80)
    except OSError:
        return 80


def _put(stream: TextIO | None, written: str | bytes) -> TextIO | None:
    """Write and flush; None when nobody reads any more."""
    if stream is None:
        return None
    try:
        if isinstance(written, str):
            stream.write(written)
        else:
            stream.buffer.write(written)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
        return None
    except OSError as error:
        _silence(stream)
        raise MicsError(
            f"cannot write the output: {error.strerror or error}", remedy="see where it is sent to"
        ) from error
    return stream


def _silence(stream: TextIO) -> None:
    """Send what is still buffered to nowhere, so that the interpreter does not trip over it on its way out."""
    try:
        target = os.open(os.devnull, os.O_WRONLY)
        os.dup2(target, stream.fileno())
        os.close(target)
    except (OSError, ValueError):
        stream.close()
