"""The `state` block: what each backend takes, and that every mistake is told at its place, without a secret in it."""

from __future__ import annotations

import re

import pytest

from mics_iac.core.manifest import Manifest, ManifestText
from mics_iac.core.parse import parse_manifest
from mics_iac.core.place import BucketPlace, FilePlace, HttpPlace, StatePlace
from mics_iac.core.variables import VariableSources
from mics_iac.errors import ManifestInvalid, Problem


def read(state: str, **variables: str) -> Manifest:
    text = f"version: 1\nvariables: {{{', '.join(f'{name}: ' for name in variables)}}}\nstate: {state}\n"
    return parse_manifest([ManifestText("imports.yaml", text.encode())], variables=VariableSources(flags=variables))


def problems(state: str, **variables: str) -> tuple[Problem, ...]:
    with pytest.raises(ManifestInvalid) as caught:
        read(state, **variables)
    return caught.value.problems


def told(state: str, **variables: str) -> list[str]:
    """Each problem's code, and the word that stands at its place."""
    written = f"state: {state} "
    found = [(problem, re.match(r"[^,} ]*", written[problem.column - 1 :])) for problem in problems(state, **variables)]
    assert {problem.line for problem, _ in found} == {3}
    return [f"{problem.code} {word[0]}" for problem, word in found if word is not None]


def message(state: str) -> str:
    return " ".join(problem.message for problem in problems(state))


@pytest.mark.parametrize(
    ("state", "place"),
    [
        ("", FilePlace(None)),
        ("{}", FilePlace(None)),
        ("{backend: file}", FilePlace(None)),
        ("{path: a/b.json}", FilePlace("a/b.json")),
        ("{backend: s3, bucket: acme}", BucketPlace("s3", "acme")),
        (
            "{backend: s3, bucket: acme, prefix: a/b/, region: eu-west-3, endpoint: 'https://MinIO.example/'}",
            BucketPlace("s3", "acme", "a/b", region="eu-west-3", endpoint="https://minio.example"),
        ),
        ("{backend: gs, bucket: acme_1.x, prefix: 2026}", BucketPlace("gs", "acme_1.x", "2026")),
        ("{backend: az, account: acme1, container: iac}", BucketPlace("az", "iac", account="acme1")),
        ("{backend: http, address: 'https://h/s/'}", HttpPlace("https://h/s/")),
        (
            "{backend: http, address: 'https://h/s', lock_address: 'https://l', unlock_address: 'http://[::1]:1/u', "
            "lock_method: PUT, unlock_method: DELETE, update_method: PATCH}",
            HttpPlace("https://h/s", "https://l", "http://[::1]:1/u", "PUT", "DELETE", "PATCH"),
        ),
    ],
)
def test_what_is_right(state: str, place: StatePlace) -> None:
    assert read(state).state.place == place


def test_variables_stand_in_all_of_it() -> None:
    state = "{backend: '${kind}', bucket: 'acme-${site}', prefix: '${site}/x', endpoint: 'https://${site}.example.com'}"
    assert read(state, kind="gs", site="fr").state.place == BucketPlace(
        "gs", "acme-fr", "fr/x", endpoint="https://fr.example.com"
    )
    assert told("{backend: '${kind}', path: x}", kind="s3") == ["MICS102 state:", "MICS126 path:"]


def test_the_place_of_the_block_is_known() -> None:
    assert str(read("{path: x}").state.at) == "imports.yaml:3:1"
    assert parse_manifest([ManifestText("imports.yaml", b"version: 1")]).state.at is None


@pytest.mark.parametrize(
    ("state", "places"),
    [
        ("{backend: s3}", ["MICS102 state:"]),
        ("{backend: az}", ["MICS102 state:", "MICS102 state:"]),
        ("{backend: http, update_method: PUT}", ["MICS102 state:"]),
        ("{backend: http, address: 'https://h', unlock_address: 'https://h'}", ["MICS102 unlock_address:"]),
        ("{backend: gs, bucket: acme, region: eu, path: x}", ["MICS126 region:", "MICS126 path:"]),
        ("{bucket: acme, prefix: x}", ["MICS126 bucket:", "MICS126 prefix:"]),
        ("{backend: az, account: acme, bucket: iac}", ["MICS126 bucket:"]),
        ("{backend: s3, container: iac}", ["MICS126 container:"]),
        ("{backend: s3, bucket: ~, path: ~}", ["MICS104 ~", "MICS126 path:", "MICS104 ~"]),
        ("{backend: s3, bucket: [x]}", ["MICS103 [x]"]),
        ("{backend: swift, bucket: a, regoin: x}", ["MICS113 swift", "MICS129 a", "MICS101 regoin:"]),
        ("{backend: [s3], bucket: acme}", ["MICS103 [s3]"]),
        ("{backend: s3, bucket: acme, prefix: /x}", ["MICS129 /x"]),
        ("{backend: s3, bucket: acme, prefix: a/../b, region: EU}", ["MICS129 a/../b", "MICS129 EU"]),
        ("{backend: az, account: Acme, container: iac}", ["MICS129 Acme"]),
        ("{backend: s3, bucket: acme, endpoint: 'http://minio:9000'}", ["MICS127 'http://minio:9000'"]),
        ("{backend: http, address: 'https://h?x=1', lock_method: lock}", ["MICS127 'https://h?x=1'", "MICS129 lock"]),
        (
            "{backend: http, address: 'http://h', lock_address: 'https://h:x'}",
            ["MICS127 'http://h'", "MICS127 'https://h:x'"],
        ),
        ("{backend: http, address: 'https://h/', lock_address: 'https://h'}", ["MICS140 'https://h'"]),
        ("{path: 's3://acme/x'}", ["MICS208 's3://acme/x'"]),
    ],
)
def test_what_is_wrong(state: str, places: list[str]) -> None:
    assert told(state) == places


@pytest.mark.parametrize(
    ("state", "hint"),
    [
        ("{backend: S3, bucket: acme}", 'Did you mean "s3"?'),
        ("{backend: s3, bucket: acme, regoin: x}", 'Did you mean "region"?'),
        ("{backend: az, account: acme, bucket: iac}", "write `container`"),
        ("{bucket: acme}", "add `backend: s3`"),
    ],
)
def test_what_may_have_been_meant(state: str, hint: str) -> None:
    assert hint in message(state)


@pytest.mark.parametrize(
    "state",
    [
        "{backend: s3, bucket: acme, secret_access_key: hunter2}",
        "{backend: s3, bucket: acme, access_key: hunter2, token: hunter2}",
        "{backend: gs, bucket: acme, credentials: hunter2}",
        "{backend: az, account: acme, container: iac, sas_token: hunter2, account_key: hunter2}",
        "{backend: http, address: 'https://h/s', username: hunter2, password: hunter2, headers: {a: hunter2}}",
        "{backend: http, address: 'https://me:hunter2@h/s'}",
        "{backend: http, address: 'https://h/s', lock_address: 'https://hunter2@h/l'}",
        "{backend: s3, bucket: acme, endpoint: 'http://me:hunter2@minio:9000'}",
        "{password: hunter2}",
    ],
)
def test_credentials_are_refused_and_not_repeated(state: str) -> None:
    found = problems(state)
    assert {problem.code for problem in found} == {"MICS128"}
    assert "hunter2" not in "".join(map(str, found))


def test_a_secret_that_came_by_a_variable_is_not_repeated() -> None:
    found = problems("{backend: http, address: 'https://me:${pw}@h/s'}", pw="hunter2")
    assert [problem.code for problem in found] == ["MICS128"]
    assert "hunter2" not in str(found[0])


def test_the_refusal_names_where_credentials_go() -> None:
    assert "TF_HTTP_PASSWORD" in message("{backend: http, address: 'https://h', password: x}")
    assert "AWS_ACCESS_KEY_ID" in message("{backend: s3, bucket: acme, secret_key: x}")
