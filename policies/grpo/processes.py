"""Several processes that train one policy: each samples and learns from its share of the groups."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Processes:
    """Which of how many processes this is.

    >>> alone = Processes()
    >>> alone.mine([1, 2, 3]), alone.gathered([[1], [2]])
    ([1, 2, 3], [[1], [2]])
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def here(cls) -> "Processes":
        """As `accelerate launch` or `torchrun` started them; alone without them.

        Raises ImportError where several were started and accelerate is not installed.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        try:
            from accelerate import PartialState
        except ImportError as error:
            raise ImportError("several processes need the package accelerate: pip install 'stepbeam[train]'") from error
        state = PartialState(cpu=not torch.cuda.is_available())
        return cls(state.process_index, state.num_processes)

    def mine(self, items: Sequence[T]) -> list[T]:
        """This process's share: every `count`-th, from its own rank on."""
        return list(items[self.rank :: self.count])

    def gathered(self, items: Sequence[T]) -> list[T]:
        """The items of all processes in the order that `mine` took them from."""
        if self.count == 1:
            return list(items)
        shares: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(shares, list(items))
        longest = max(len(share) for share in shares)
        return [share[i] for i in range(longest) for share in shares if i < len(share)]

    def add_gradients(self, model: Any) -> None:
        """Make every process's gradient the sum of all; one that had nothing to learn from gives zeros."""
        if self.count == 1:
            return
        for p in model.parameters():
            if p.requires_grad:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                torch.distributed.all_reduce(p.grad)

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.count > 1:
            torch.distributed.barrier()
