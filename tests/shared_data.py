"""Real data sets, in a folder beside the repository. The tests of one that is absent are skipped, with its name."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


def needs_data(*names: str) -> pytest.MarkDecorator:
    absent = [name for name in names if not (DATA / name).exists()]
    return pytest.mark.skipif(bool(absent), reason=f"../shared/data lacks {', '.join(absent)}")
