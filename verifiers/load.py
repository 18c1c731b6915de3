"""Verifiers by a short spec, such as a command line takes."""

from verifiers.scoring import Scorer


def load(spec: str) -> Scorer:
    """The verifier that `spec` names: `orm:FOLDER` or `orm:HUB_NAME`.

    >>> from bench.tiny import weights_folder
    >>> type(load(f"orm:{weights_folder('orm')}")).__name__
    'ORM'

    Raises ValueError for an unknown kind, FileNotFoundError where there is no such model.
    """
    kind, _, name = spec.partition(":")
    if kind == "orm" and name:
        from verifiers.orm import ORM

        return ORM.load(name)
    raise ValueError(f"unknown verifier {spec!r}: use orm:FOLDER or orm:HUB_NAME")
