"""What is seen while a run goes on."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from mics_iac.cli.bars import Bars
from mics_iac.cli.progress import Display, Heartbeat, display_for
from mics_iac.cli.screen import Screen
from mics_iac.core import journal
from mics_iac.core.progress import Failure, Listing, Notice, Reading, Sending, Waiting
from mics_iac.errors import ApiLost, MicsError
from tests.reporting.plans import HOSTILE, plan, settings, upload


class Listener(io.StringIO):
    """A stream that knows when enough lines have come, and may claim to be a terminal."""

    def __init__(self, *, lines: int = 1, terminal: bool = False) -> None:
        super().__init__()
        self.enough = threading.Event()
        self._wanted = lines
        self._terminal = terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        if self.getvalue().count("\n") >= self._wanted:
            self.enough.set()
        return count

    def isatty(self) -> bool:
        return self._terminal

    def fileno(self) -> int:
        raise OSError("no file")


def everything(display: Display) -> None:
    """Tell all kinds of things, from several threads at once."""
    display.tell(Reading(10, 20))
    display.tell(Reading(20, 20))
    display.tell(Listing(1, 2))
    display.pause()
    display.resume()
    display.expect(plan(*(upload("fr/a", f"data/{n}.ndjson", size=100, records=10) for n in range(40))))

    def send(number: int) -> None:
        source = f"data/{number}.ndjson"
        display.tell(journal.UploadBegun("fr/a", "1", f"t{number}", source, 1, "", 100, 10, 10))
        display.tell(Sending("fr/a", source, 1, 60, 100))
        display.tell(journal.UploadAccepted("fr/a", f"t{number}", f"9{number}", "PENDING"))

    senders = [threading.Thread(target=send, args=(n,)) for n in range(39)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    display.tell(Failure("fr/a", "data/39.ndjson", ApiLost(HOSTILE, body_left=True)))
    display.tell(Notice("the platform asks to slow down"))
    display.tell(journal.ImportCreated("fr/[bold]", "558", settings("A")))
    display.tell(Waiting(39, 1))
    for number in range(39):
        display.tell(journal.ExecutionSettled("fr/a", f"9{number}", "SUCCEEDED", 10, 0))


EXPECTED = (
    "the platform asks to slow down",
    "fr/[bold]: created (558)",
    "fr/a: 39 of 40 files loaded (390 records ok, 0 rejected)",
    "data/39.ndjson: failed: evil\\x1b[2J",
)


def test_lines_where_there_is_no_terminal() -> None:
    err = Listener()
    with display_for(Screen(io.StringIO(), err, {})) as display:
        assert isinstance(display, Heartbeat)
        everything(display)
    for words in EXPECTED:
        assert words in err.getvalue()
    assert err.getvalue().count("\n") == len(EXPECTED)
    assert display.scene.tally.loaded == 39


def test_a_sign_of_life_now_and_then() -> None:
    err = Listener(lines=2)
    with Heartbeat(Screen(io.StringIO(), err, {}), beat=0.01) as display:
        display.tell(Reading(10, 20))
        assert err.enough.wait(30)
    assert set(err.getvalue().splitlines()) == {"reading files: 10 B of 20 B"}


def test_quiet_is_silent_and_counts() -> None:
    err = Listener()
    screen = Screen(io.StringIO(), err, {})
    screen.quiet = True
    with display_for(screen) as display:
        everything(display)
    assert err.getvalue() == ""
    assert display.scene.tally.loaded == 39


@pytest.fixture
def terminal() -> tuple[Bars, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, highlight=False, markup=False, emoji=False)
    return Bars(Screen(io.StringIO(), Listener(terminal=True), {}), console=console), out


def test_bars_on_a_terminal(terminal: tuple[Bars, io.StringIO]) -> None:
    bars, out = terminal
    with bars:
        everything(bars)
    for words in EXPECTED:
        assert words in out.getvalue()
    assert "\u202e" not in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")  # the bars are gone, and the cursor is back
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h")


def test_who_gets_bars() -> None:
    seen = Screen(io.StringIO(), Listener(terminal=True), {"TERM": "xterm"})
    assert isinstance(display_for(seen), Bars)
    dumb = Screen(io.StringIO(), Listener(terminal=True), {"TERM": "dumb"})
    assert isinstance(display_for(dumb), Heartbeat)


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_reader_that_went_away_stops_nothing() -> None:
    screen = Screen(Gone(), Gone(), {})
    with display_for(screen) as display:
        everything(display)
    screen.out("never read\n")
    assert not screen.out_terminal


def test_progress_that_cannot_be_shown_stops_nothing() -> None:
    with display_for(Screen(io.StringIO(), Full(), {})) as display:
        everything(display)
    assert display.scene.tally.loaded == 39


def test_results_that_cannot_be_written_are_an_error() -> None:
    with pytest.raises(MicsError, match="cannot write the output: No space left"):
        Screen(Full(), io.StringIO(), {}).out("text")
