"""Where a state is kept: what the command line may say, how it is told again, and that no secret can stand in it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mics_iac.core.place import (
    BucketPlace,
    FilePlace,
    HttpPlace,
    StatePlace,
    describe,
    document_of,
    parse_place,
    url_of,
)
from mics_iac.errors import UsageError
from tests.core.state_places import PLACES

GITLAB = "https://gitlab.example.com/api/v4/projects/42/terraform/state"

READ = [
    ("imports.state.json", FilePlace("imports.state.json")),
    ("/srv/states/a.json", FilePlace("/srv/states/a.json")),
    ("a:b.json", FilePlace("a:b.json")),
    ("file:", FilePlace(None)),
    ("file:a b/c.json", FilePlace("a b/c.json")),
    ("file:///srv/a.json", FilePlace("/srv/a.json")),
    ("FILE:/srv/a.json", FilePlace("/srv/a.json")),
    ("s3://acme", BucketPlace("s3", "acme")),
    ("S3://acme/", BucketPlace("s3", "acme")),
    ("s3://acme/mics/states/", BucketPlace("s3", "acme", "mics/states")),
    ("s3://acme/a?region=eu-west-3", BucketPlace("s3", "acme", "a", region="eu-west-3")),
    (
        "s3://acme?endpoint=http://127.0.0.1:9000/",
        BucketPlace("s3", "acme", endpoint="http://127.0.0.1:9000"),
    ),
    ("gs://acme.states_1/p", BucketPlace("gs", "acme.states_1", "p")),
    ("az://acmestates/iac/p/q", BucketPlace("az", "iac", "p/q", account="acmestates")),
    (
        "az://devstoreaccount1/iac?endpoint=http%3A%2F%2Flocalhost%3A10000/devstoreaccount1",
        BucketPlace("az", "iac", account="devstoreaccount1", endpoint="http://localhost:10000/devstoreaccount1"),
    ),
    (f"{GITLAB}/", HttpPlace(f"{GITLAB}/")),
    ("HTTPS://Host.Example:8443/A%2Fb", HttpPlace("https://host.example:8443/A%2Fb")),
    ("http://[::1]:8080/state", HttpPlace("http://[::1]:8080/state")),
    (
        "https://h/s?lock_address=https://h/l&lock_method=POST",
        HttpPlace("https://h/s", lock_address="https://h/l", lock_method="POST"),
    ),
]


@pytest.mark.parametrize(("text", "place"), READ, ids=[text for text, _ in READ])
def test_what_the_command_line_may_say(text: str, place: StatePlace) -> None:
    assert parse_place(text) == place


REFUSED = [
    ("", "no path"),
    ("a\\b", "no path"),
    ("a\nb", "no path"),
    ("a\udcff", "no path"),
    ("acme-states/imports", "no kind of place"),
    ("states/", "no kind of place"),
    ("file://host/a.json", "no other host"),
    ("s3:acme", "s3://bucket/prefix"),
    ("https:host", "https://host/path"),
    ("gcs://acme", 'Did you mean "gs"?'),
    ("azure://acme", "az://"),
    ("s3://", "bucket"),
    ("s3://a", "bucket"),
    ("s3://acme//a", "prefix"),
    ("s3://acme/a/../b", "prefix"),
    ("s3://acme/.", "prefix"),
    ("s3://acme/a%20b", "prefix"),
    ("s3://acme/a#b", "prefix"),
    ("s3://acme/" + "a" * 501, "prefix"),
    ("s3://acme?regoin=x", 'Did you mean "region"?'),
    ("s3://acme?region=EU", "region"),
    ("s3://acme?region=a&region=b", "twice"),
    ("s3://acme?region", "?key=value"),
    ("gs://acme?region=eu-west-3", "region"),
    ("az://acmestates", "az://account/container/prefix"),
    ("az://Acme/iac", "storage account"),
    ("s3://acme?endpoint=http://minio.example:9000", "plain http only to this machine"),
    ("http://state.example.com/s", "plain http only to this machine"),
    ("https://h:99999/s", "host or port"),
    ("https://h/s#x", "fragment"),
    ("https://h/s?lock_address=http://h/l", "plain http only to this machine"),
    ("https://h/s?lock_method=post", "capitals"),
    ("https://h/s?unlock_address=https://h/l", "lock_address too"),
    ("https://h/s/?lock_address=https://h/l", "slash"),
]


@pytest.mark.parametrize(("text", "part"), REFUSED, ids=[repr(text[:40]) for text, _ in REFUSED])
def test_what_it_may_not_say_is_told_with_what_to_write(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_place(text)
    assert part in f"{caught.value.message} {caught.value.remedy}"


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIA:hunter2@acme/p",
        "az://acmestates:hunter2@x/iac",
        "https://me:hunter2@h/s",
        "https://hunter2@h/s",
        "http://me:hunter2@localhost/s",
        "https://h/s?lock_address=https://me:hunter2@h/l",
        "s3://acme?endpoint=https://me:hunter2@h",
        "s3://acme?secret_access_key=hunter2",
        "az://acmestates/iac?sv=1&sig=hunter2",
        "https://h/s?token=hunter2",
        "https://h/s?hunter2",
        "https://h/s#hunter2",
    ],
)
def test_a_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_place(text)
    assert "hunter2" not in f"{caught.value.message} {caught.value.remedy}"


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("s3://a:b@acme", "AWS_ACCESS_KEY_ID"),
        ("gs://a:b@acme", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://a:b@acme/c", "AZURE_STORAGE_ACCOUNT_KEY"),
        ("https://a:b@h/s", "TF_HTTP_PASSWORD"),
    ],
)
def test_the_refusal_names_where_credentials_go(text: str, variable: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_place(text)
    assert variable in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (FilePlace(None), "the file beside the manifest"),
        (FilePlace("a/b.json"), "a/b.json"),
        (BucketPlace("s3", "acme", "p", region="eu-west-3"), "s3://acme/p"),
        (BucketPlace("gs", "acme", endpoint="http://localhost:1"), "gs://acme at http://localhost:1"),
        (BucketPlace("az", "iac", "p", account="acme"), "az://acme/iac/p"),
        (HttpPlace("https://h/s", lock_address="https://h/l"), "https://h/s"),
    ],
)
def test_how_messages_call_a_place(place: StatePlace, told: str) -> None:
    assert describe(place) == told


def test_an_address_that_ends_with_a_slash_takes_the_states_name() -> None:
    place = HttpPlace("https://h/s/", lock_address="https://h/l/")
    one = document_of(place, "imports.production.state.json")
    assert (one.address, one.lock_address) == ("https://h/s/imports.production", "https://h/l/imports.production")
    assert (one.unlock_address, one.lock_method, one.unlock_method) == (one.lock_address, "LOCK", "UNLOCK")
    assert document_of(HttpPlace("https://h/s/"), "a b/ä.state.json").address == "https://h/s/a%20b%2F%C3%A4"


def test_an_address_without_a_slash_is_one_document() -> None:
    one = document_of(
        HttpPlace("https://h/s", lock_address="https://h/l", unlock_address="https://h/u"), "x.state.json"
    )
    assert (one.address, one.lock_address, one.unlock_address) == ("https://h/s", "https://h/l", "https://h/u")
    assert document_of(HttpPlace("https://h/s"), "x.state.json").lock_address is None


@pytest.mark.parametrize("address", [f"{GITLAB}/", f"{GITLAB}/imports.production"])
def test_the_lock_of_gitlab_is_known_by_its_address(address: str) -> None:
    one = document_of(HttpPlace(address), "imports.production.state.json")
    assert one == HttpPlace(
        f"{GITLAB}/imports.production",
        lock_address=f"{GITLAB}/imports.production/lock",
        unlock_address=f"{GITLAB}/imports.production/lock",
        lock_method="POST",
        unlock_method="DELETE",
    )


def test_what_is_said_of_a_lock_at_gitlab_holds() -> None:
    place = HttpPlace(f"{GITLAB}/a", lock_address="https://h/l", lock_method="PUT")
    one = document_of(place, "x.state.json")
    assert (one.lock_address, one.unlock_address, one.lock_method) == ("https://h/l", "https://h/l", "PUT")
    assert one.unlock_method == "DELETE"


@given(PLACES)
def test_a_place_is_told_so_that_it_can_be_read_again(place: StatePlace) -> None:
    assert parse_place(url_of(place)) == place


@given(PLACES)
def test_a_place_survives_json(place: StatePlace) -> None:
    assert msgspec.json.decode(msgspec.json.encode(place), type=StatePlace) == place


@given(st.text())
def test_any_text_is_a_place_or_a_refusal(text: str) -> None:
    try:
        place = parse_place(text)
    except UsageError:
        return
    assert parse_place(url_of(place)) == place
