"""The shape of the manifest's `state`: its keys, what each means, and which go together. See `core/model`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, Field

from mics_iac.core.mapping import WRITTEN, Schema, strict
from mics_iac.core.place import BACKENDS, BackendName
from mics_iac.core.scalars import Account, BackendField, BucketName, HttpMethod, Prefix, Region, StatePath, StateUrl


@dataclass(frozen=True, slots=True)
class StateKeys:
    """The keys that go with one kind of place, `backend` aside."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.needed, *self.optional)


_LOCK_KEYS: Final = ("lock_address", "unlock_address", "lock_method", "unlock_method", "update_method")
STATE_KEYS: Final[dict[BackendName, StateKeys]] = {
    "file": StateKeys((), ("path",)),
    "s3": StateKeys(("bucket",), ("prefix", "region", "endpoint")),
    "gs": StateKeys(("bucket",), ("prefix", "endpoint")),
    "az": StateKeys(("account", "container"), ("prefix", "endpoint")),
    "http": StateKeys(("address",), _LOCK_KEYS),
}


def _keys_of_backend(backend: BackendName) -> Schema:
    """The rule of one kind of place: which keys it needs, and that there is none of another kind."""
    keys = STATE_KEYS[backend]
    chosen: Schema = {"properties": {"backend": {"const": backend}}}
    if backend != "file":  # which is the default
        chosen["required"] = ["backend"]
    rule: Schema = {"propertyNames": {"enum": ["backend", *keys.names]}}
    return {"if": chosen, "then": {**rule, "required": list(keys.needed)} if keys.needed else rule}


class StateModel(BaseModel):
    """Where the state is kept."""

    model_config = strict(
        "State",
        allOf=[_keys_of_backend(backend) for backend in BACKENDS],
        dependencies={"unlock_address": ["lock_address"]},
    )

    backend: BackendField = Field(default="file", description="Kind of place.")
    path: Annotated[StatePath | None, WRITTEN] = Field(
        default=None,
        description="With `file`: path of the state file, relative to the manifest's folder; beside it without this.",
        examples=["state/imports.state.json"],
    )
    bucket: Annotated[BucketName | None, WRITTEN] = Field(
        default=None, description="With `s3` and `gs`: the bucket.", examples=["acme-states"]
    )
    account: Annotated[Account | None, WRITTEN] = Field(
        default=None, description="With `az`: the storage account.", examples=["acmestates"]
    )
    container: Annotated[BucketName | None, WRITTEN] = Field(
        default=None, description="With `az`: the container.", examples=["iac"]
    )
    prefix: Annotated[Prefix | None, WRITTEN] = Field(
        default=None,
        description="With `s3`, `gs` and `az`: what the names of all objects begin with.",
        examples=["mics/states"],
    )
    region: Annotated[Region | None, WRITTEN] = Field(
        default=None, description="With `s3`: the region; else the environment says it.", examples=["eu-west-3"]
    )
    endpoint: Annotated[StateUrl | None, WRITTEN] = Field(
        default=None,
        description="With `s3`, `gs` and `az`: address of a store that speaks the same API.",
        examples=["https://minio.example.com"],
    )
    address: Annotated[StateUrl | None, WRITTEN] = Field(
        default=None,
        description="With `http`: address of the state; one that ends with `/` gets the state's name behind it.",
        examples=["https://gitlab.example.com/api/v4/projects/42/terraform/state/"],
    )
    lock_address: Annotated[StateUrl | None, WRITTEN] = Field(
        default=None,
        description="With `http`: where the lock is taken; at `address` without this, known for a GitLab address.",
    )
    unlock_address: Annotated[StateUrl | None, WRITTEN] = Field(
        default=None, description="With `http`: where the lock is freed; where it is taken without this."
    )
    lock_method: HttpMethod = Field(default="LOCK", description="With `http`: method that takes the lock.")
    unlock_method: HttpMethod = Field(default="UNLOCK", description="With `http`: method that frees the lock.")
    update_method: HttpMethod = Field(default="POST", description="With `http`: method that writes the state.")
