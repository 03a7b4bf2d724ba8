"""The dependencies: pip resolves them without searching, and the lock file is what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]


def test_the_lock_file_has_a_version_within_each_range() -> None:
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))
    extras = [Requirement(line) for lines in PYPROJECT["project"]["optional-dependencies"].values() for line in lines]
    dev = [Requirement(line) for line in PYPROJECT["dependency-groups"]["dev"]]
    outside = [
        str(wanted)
        for wanted in [*RUNTIME, *extras, *dev]
        if not wanted.specifier.contains(pinned.get(canonicalize_name(wanted.name), "0"))
    ]
    assert outside == []


def test_boto3_and_aiobotocore_accept_the_same_botocore() -> None:
    """Each release of aiobotocore accepts one narrow range of it; pip 23 tries every release of a wider boto3."""
    ranges = {wanted.name: wanted.specifier for wanted in RUNTIME}
    accepted = next(
        wanted.specifier
        for wanted in map(Requirement, distribution("aiobotocore").requires or ())
        if wanted.name == "botocore"
    )
    assert ranges["boto3"] == accepted
    assert ranges.keys().isdisjoint({"botocore", "s3transfer", "awscli"})
    assert {item.operator for item in ranges["aiobotocore"]} == {">=", "<"}
    assert {item.operator for item in ranges["aiohttp"]} == {">=", "<"}
    assert ranges["s3fs"].contains("2026.9.0")
    assert not ranges["s3fs"].contains("0.4.2")
