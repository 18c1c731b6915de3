"""PRMs by name, such as a command line takes."""

from verifiers.scoring import Scorer


def load(name: str) -> Scorer:
    """The PRM in a folder or of a hub name.

    >>> from bench.tiny import weights_folder
    >>> type(load(str(weights_folder("prm")))).__name__
    'PRM'

    Raises FileNotFoundError where there is no such model, ValueError where it is of another kind.
    """
    from prms.prm import PRM

    return PRM.load(name)
