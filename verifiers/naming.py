"""What a scorer is called where a run writes it down."""


def name_of(scorer: object) -> str:
    """The scorer's `name` where it has one, else the name of its class.

    >>> from verifiers import AnswerVerifier
    >>> name_of(AnswerVerifier())
    'AnswerVerifier'
    """
    name = getattr(scorer, "name", None)
    return name if isinstance(name, str) else type(scorer).__name__
