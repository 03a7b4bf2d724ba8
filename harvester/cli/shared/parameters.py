"""Values of options and arguments of several commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import timedelta

FAULTS = click.Choice(["none", "mild", "hostile"])
FAULTS_HELP = "How often the API fails, hangs or sends invalid answers."
PLACE = click.Path(readable=False)
"""A path, which shells complete, or an address."""

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_LONGEST_DAYS = 36_500


def parse_age(_ctx: click.Context, _param: click.Parameter, value: str | None) -> timedelta | None:
    """Parse a number and a unit, such as `30d`."""
    from datetime import timedelta

    if value is None:
        return None
    parts = re.fullmatch(r"([0-9]{1,6})([hdw])", value)
    age = timedelta(**{_UNITS[parts[2]]: int(parts[1])}) if parts else timedelta()
    if not timedelta() < age <= timedelta(days=_LONGEST_DAYS):
        raise click.BadParameter(f"{value!r} is no age: write 30d, 12h or 4w.")
    return age
