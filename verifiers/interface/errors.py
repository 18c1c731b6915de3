"""The errors that are no row's fault."""


class EngineStoppedError(RuntimeError):
    """An engine that can answer no call any more: it was closed, it was interrupted, or it died.

    Every strategy raises it, where another error of a policy or a scorer is the reason of the row that it was for.
    """


class ScoresShapeError(ValueError):
    """A scorer gave other than one row a solution and one number a step: a mistake in the scorer, raised through."""
