"""Whether the day's quota is really spent: one refusal of the API does not prove it. Pure."""

from __future__ import annotations

from harvester.model import Outcome, Verdict

DOUBT_LASTS_SECONDS = 180.0
"""How long a doubt lasts. A quota refusal after that, with only faults in between, begins a new doubt."""


class QuotaDoubt:
    """The suspicion that the day's quota is spent: the API said so, and has answered nothing else since the pause that
    followed.

    Refused batches and unacceptable answers end a doubt too: past its quota the API answers no call at all.
    """

    def __init__(self) -> None:
        self._until: float | None = None

    def begin(self, until: float) -> None:
        """Begin a doubt: the API's answer to a call sent at `until` or later decides."""
        self._until = until

    def pauses(self, sent_at: float) -> bool:
        """Whether a call sent at `sent_at` came before the end of the pause, so that its answer decides nothing."""
        return self._until is not None and sent_at < self._until

    def is_confirmed(self, sent_at: float) -> bool:
        """Whether a call sent at `sent_at` and refused for its quota confirms the doubt."""
        return self._until is not None and self._until <= sent_at < self._until + DOUBT_LASTS_SECONDS

    def hear(self, outcome: Outcome, sent_at: float) -> None:
        """End the doubt if `outcome` is an answer that is not about the quota."""
        answered = outcome.http_status == 200 or outcome.verdict is Verdict.BATCH_REFUSED
        if answered and self.is_confirmed(sent_at):
            self._until = None

    def forget(self) -> None:
        """Forget the doubt: another day has begun."""
        self._until = None
