"""What a server allows a request to ask for, and how many it takes on."""

from dataclasses import dataclass, fields

from search import Budget
from verifiers.interface.errors import check_least


@dataclass(frozen=True, slots=True)
class Limits:
    """`n` bounds the samples of a request (of a beam, width times expand), `tokens` those of a solution, `body` the
    bytes of a request, `seconds` the time of its search. `running` requests are searched for at once and `waiting`
    more stand in line; what comes beyond them is told to try again later.

    Raises ValueError for a count below 1 and for seconds that are not above 0.
    """

    n: int = 64
    tokens: int = 4096
    body: int = 1 << 20
    seconds: float = 600.0
    running: int = 256
    waiting: int = 1024

    def __post_init__(self) -> None:
        counts = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "seconds"}
        check_least(1, counts, who="Limits")
        Budget(seconds=self.seconds)
