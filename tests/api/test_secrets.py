"""The token is sent, and is never said: in no error, its chain, its remedy, any repr."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable, Iterator

import pytest

from mics_iac.api.client import MicsApi
from mics_iac.api.limits import Limits, Patience
from mics_iac.api.token import checked_token, scrub
from mics_iac.api.transport import Transport
from mics_iac.errors import MicsError, NotAllowed
from mics_iac.sandbox.faults import KINDS, Fault
from tests.api.loopback import Peer, always, serving
from tests.api.stand import DATAMART, TOKEN, MakeStand, SteppingClock, settings

SPELLINGS = {
    TOKEN,
    urllib.parse.quote(TOKEN, safe=""),
    base64.b64encode(TOKEN.encode()).decode().rstrip("="),
    json.dumps(TOKEN)[1:-1],
}


def everything(error: BaseException, seen: set[int] | None = None) -> Iterator[str]:
    """All that could be shown of an error: its texts, its fields, what it holds, and where it came from."""
    seen = set() if seen is None else seen
    if id(error) in seen:
        return
    seen.add(id(error))
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    request = getattr(error, "request", None)
    yield repr(dict(getattr(request, "headers", {})))
    for one in (error.__cause__, error.__context__, *error.args, *vars(error).values()):
        if isinstance(one, BaseException):
            yield from everything(one, seen)


def assert_silent(error: BaseException) -> None:
    for text in everything(error):
        for spelling in SPELLINGS:
            assert spelling not in text
        # Nor a half of it, left at some cut.
        assert TOKEN[:10] not in text


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_mishap_shows_the_token(make: MakeStand, kind: str) -> None:
    stand = make(patience=Patience(attempts=2))
    import_id = stand.sandbox.add_import(DATAMART, "There")
    stand.strike(Fault(kind, message=f"your token {TOKEN} is bad", times=None))  # type: ignore[arg-type]  # drawn from KINDS
    calls: list[Callable[[], object]] = [
        lambda: stand.api.list_imports(DATAMART),
        lambda: stand.api.create_import(settings()),
        lambda: stand.upload(import_id),
        lambda: stand.api.delete_import(DATAMART, import_id),
    ]
    for call in calls:
        try:
            call()
        except MicsError as error:
            assert_silent(error)


LONG = "x" * 480
ECHOES = {
    "envelope": ("403 No", "", json.dumps({"status": "error", "error": f"bad {TOKEN}", "error_id": TOKEN})),
    "escaped": ("400 No", "", '{"status":"error","error":"' + "".join(f"\\u{ord(c):04x}" for c in TOKEN) + '"}'),
    "at a cut": ("400 No", "", json.dumps({"status": "error", "error": f"{LONG} {TOKEN} {LONG}"})),
    "html title": ("502 No", "", f"<html><title>401 for {TOKEN}</title></html>"),
    "html entities": ("502 No", "", f"<p>{'&#' + '&#'.join(f'{ord(c)};' for c in TOKEN)}</p>"),
    "plain": ("500 No", "", f"Authorization: {TOKEN}"),
    "plain at a cut": ("500 No", "", f"{LONG} {TOKEN} {LONG}"),
    "base64": ("500 No", "", base64.b64encode(TOKEN.encode()).decode()),
    "location": ("302 No", f"Location: https://evil.test/?t={urllib.parse.quote(TOKEN, safe='')}", ""),
    "2xx error": ("200 OK", "", json.dumps({"status": "error", "error": f"{LONG} {TOKEN}"})),
    "2xx garbage": ("200 OK", "", f"<html>{TOKEN}</html>"),
    "2xx wrong type": ("200 OK", "", json.dumps({"status": "ok", "data": {"id": [TOKEN], "name": {TOKEN: TOKEN}}})),
    "2xx bad id": ("200 OK", "", json.dumps({"status": "ok", "data": [{"id": TOKEN}]})),
    "encoding": ("200 OK", f"Content-Encoding: {TOKEN}", "x"),
}


@pytest.mark.parametrize("name", ECHOES)
def test_a_server_that_echoes_the_token_does_not_get_it_shown(name: str) -> None:
    status, header, body = ECHOES[name]
    script = always(body.encode(), status=status, headers=(header,) if header else ())
    with serving(script) as server:
        transport = Transport(
            server.url, token=TOKEN, clock=SteppingClock(), limits=Limits(patience=Patience(attempts=1))
        )
        api = MicsApi(transport)
        calls: tuple[Callable[[], object], ...] = (
            lambda: api.list_imports("1"),
            lambda: api.create_import(settings()),
            lambda: api.read_execution("1", "2", "3"),
        )
        for call in calls:
            with pytest.raises(MicsError) as caught:
                call()
            assert_silent(caught.value)
        transport.close()


def test_a_lost_connection_keeps_no_token_in_its_chain() -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.reset()

    with serving(script) as server:
        transport = Transport(server.url, token=TOKEN, clock=SteppingClock())
        with pytest.raises(MicsError) as caught:
            MicsApi(transport).create_import(settings())
        assert_silent(caught.value)
        transport.close()


def test_no_repr_shows_the_token() -> None:
    transport = Transport("https://api.example.test", token=TOKEN, clock=SteppingClock())
    assert TOKEN not in f"{transport!r} {MicsApi(transport)!r}"
    transport.close()


@pytest.mark.parametrize(
    "token", ["", " ", f" {TOKEN}", f"{TOKEN}\n", f"{TOKEN}\r\nX-Evil: 1", f"{TOKEN}\x00", f"{TOKEN}\x7f", f"{TOKEN}é€"]
)
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_token_that_cannot_be_sent_is_refused_without_being_quoted(
    make: MakeStand, token: str, wrapped: bool
) -> None:
    def use() -> None:
        make(token=(lambda: token) if wrapped else token).api.list_imports(DATAMART)

    with pytest.raises(NotAllowed) as caught:
        use()
    assert_silent(caught.value)
    assert "MICS_API_TOKEN" in (caught.value.remedy or "")


@pytest.mark.parametrize("token", ["Bearer abc.def.ghi", "api:0123", "x", "wörd with spaces"])
def test_a_token_with_any_scheme_is_taken_as_it_is(token: str) -> None:
    assert checked_token(token) == token


def test_a_bearer_is_cut_out_with_and_without_its_scheme() -> None:
    assert "abcdefgh" not in scrub("got Bearer abcdefgh and abcdefgh", "Bearer abcdefgh")


def test_a_token_of_a_letter_does_not_maim_messages() -> None:
    assert scrub("the platform answered 400", "t") == "the platform answered 400"


def test_each_attempt_asks_anew_for_a_token_that_is_made_on_demand(make: MakeStand) -> None:
    asked: list[int] = []

    def token() -> str:
        asked.append(1)
        return TOKEN

    stand = make(token=token)
    stand.strike(Fault("error", times=2))
    stand.api.list_imports(DATAMART)
    assert len(asked) == 3
