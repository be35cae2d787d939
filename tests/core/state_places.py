"""Places of states, drawn at random: every kind, with all that it may hold."""

from __future__ import annotations

from hypothesis import strategies as st

from mics_iac.core.place import BucketPlace, FilePlace, HttpPlace, StatePlace

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{1,20}[A-Za-z0-9]", fullmatch=True)
prefixes = st.lists(st.from_regex(r"[A-Za-z0-9._=@+-]{1,9}", fullmatch=True).filter(lambda s: s.strip(".")), max_size=3)
hosts = st.from_regex(r"(https://[a-z0-9.-]{1,9}|http://127\.0\.0\.1)(:[1-9][0-9]{0,3})?", fullmatch=True)
tails = st.from_regex(r"(/[A-Za-z0-9%&=+;:@._~'-]{1,9}){0,3}", fullmatch=True)
endpoints = st.none() | st.builds(lambda host, tail: host + tail, hosts, tails)
methods = st.sampled_from(["LOCK", "UNLOCK", "POST", "PUT", "DELETE"])


@st.composite
def servers(draw: st.DrawFn) -> HttpPlace:
    end = draw(st.sampled_from(["", "/"]))
    addresses = [draw(hosts) + draw(tails) + end for _ in range(3)]
    lock = addresses[1] if draw(st.booleans()) else None
    unlock = addresses[2] if lock is not None and draw(st.booleans()) else None
    return HttpPlace(addresses[0], lock, unlock, draw(methods), draw(methods), draw(methods))


PLACES: st.SearchStrategy[StatePlace] = st.one_of(
    st.builds(
        FilePlace,
        st.none()
        | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\\"), min_size=1),
    ),
    st.builds(
        BucketPlace,
        st.sampled_from(["s3"]),
        names,
        prefixes.map("/".join),
        region=st.none() | st.from_regex(r"[a-z0-9-]{1,9}", fullmatch=True),
        endpoint=endpoints,
    ),
    st.builds(BucketPlace, st.just("gs"), names, prefixes.map("/".join), endpoint=endpoints),
    st.builds(
        BucketPlace,
        st.just("az"),
        names,
        prefixes.map("/".join),
        account=st.from_regex("[a-z0-9]{3,24}", fullmatch=True),
        endpoint=endpoints,
    ),
    servers(),
)
