"""The prompts of generative verifiers, letter for letter."""

import pytest

from verifiers import GENRM, JUDGE, GenRMFormat, Message, Problem, Solution, Step, Stop

PREAMBLE = (
    'Solve the math problems and provide step-by-step solutions, ending with "The answer is [Insert Final Answer Here]'
    '".\nWhen asked "Verification: Is the answer correct (Yes/No)?", respond with " Yes" or " No" based on the '
    "answer's correctness.\nWhen asked \"Verification: Let's verify step by step.\", verify every step of the solution "
    'and conclude with "Verification: Is the answer correct (Yes/No)?" followed by " Yes" or " No".\n\n'
)
PROBLEM = Problem("p1", "What is 2+2?\n")
SOLUTION = Solution((Step("2+2=4.\n"), Step("The answer is 4.\n")), Stop.EOS)


def test_the_datasets_direct_prompt():
    assert "".join(GENRM.direct_parts(PROBLEM, SOLUTION)) == (
        PREAMBLE + "Q: What is 2+2?\nA: Let's think step by step.\n2+2=4.\nThe answer is 4.\n"
        "Verification: Is the answer correct (Yes/No)?"
    )


def test_the_datasets_cot_prompt():
    assert "".join(GENRM.cot_parts(PROBLEM, SOLUTION)) == (
        PREAMBLE + "Q: What is 2+2?\nA: Let's think step by step.\n2+2=4.\nThe answer is 4.\n"
        "Verification: Let's verify step by step.\n"
    )
    assert (GENRM.yes, GENRM.no) == (" Yes", " No")


def test_the_solver_sees_what_comes_before_the_solution():
    head, _ = GENRM.direct_parts(PROBLEM, SOLUTION)
    assert GENRM.solver_prompt(PROBLEM) == head
    assert GENRM.cot_parts(PROBLEM, SOLUTION)[0] == head


def test_a_chat_format_is_one_message():
    prompt, continuation = JUDGE.cot_parts(PROBLEM, SOLUTION)
    assert continuation == ""
    assert "Question: What is 2+2?\n\nSolution: 2+2=4.\nThe answer is 4.\n" in prompt
    assert '"Verification: Is the answer correct (Yes/No)? X", where X is either Yes or No.' in prompt
    with pytest.raises(ValueError, match="no direct template"):
        JUDGE.direct_parts(PROBLEM, SOLUTION)
    with pytest.raises(ValueError, match="no solver template"):
        JUDGE.solver_prompt(PROBLEM)


def test_braces_in_a_solution_are_text():
    sly = Solution((Step(r"\boxed{problem} {solution} {} {0}"),), Stop.EOS)
    head, tail = GENRM.direct_parts(Problem("p", "{solution}?"), sly)
    assert head.endswith("Q: {solution}?\nA: Let's think step by step.\n")
    assert tail.startswith(r"\boxed{problem} {solution} {} {0}" + "\n")


def test_a_conversation_is_its_messages():
    chat = Problem("p", (Message("user", "2+2?\n"), Message("user", "Be brief.")))
    assert "Q: 2+2?\n\nBe brief.\nA:" in GENRM.solver_prompt(chat)


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("direct", "{problem}", "the direct template needs"),
        ("cot", "{solution}", "the cot template needs"),
        ("direct", "{problem}{solution}{solution}", "the direct template needs .* once each"),
        ("cot", "{problem}{solution}{problem}", "the cot template needs .* once each"),
        ("solver", "{problem}{solution}", "the solver template needs"),
        ("no", "Y", "yes must differ from no"),
        ("verdict", "", "must be texts"),
    ],
)
def test_a_format_that_cannot_work_is_refused(field, text, message):
    good = {"direct": "{problem}{solution}?", "cot": "", "solver": "", "verdict": "?", "yes": "Y", "no": "N"}
    GenRMFormat(**good)
    with pytest.raises(ValueError, match=message):
        GenRMFormat(**{**good, field: text})
