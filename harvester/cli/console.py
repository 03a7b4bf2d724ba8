"""Where results are printed: stdout, with colours and bars on a terminal only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


def show(result: RenderableType) -> None:
    from rich.console import Console

    # Highlighting would colour numbers at random; what has a colour has it for a reason.
    console = Console(highlight=False, soft_wrap=True)
    console.print(result)
