"""Solutions that end at given texts."""

import policies
import search
from bench.harnesses.stop_texts import StopAt, cut_at
from verifiers import Problem, Solution, Step, Stop, failed, from_steps


def solution(*steps: str, stop: Stop = Stop.LENGTH) -> Solution:
    return Solution(tuple(Step(step, tokens=(1, 2)) for step in steps), stop)


def test_a_solution_ends_before_the_first_of_the_texts() -> None:
    drawn = solution("It is 4.\n", "Question: 3+3?\n", "END")
    assert [step.text for step in cut_at(drawn, ("END", "Question:")).steps] == ["It is 4.\n"]
    cut = cut_at(drawn, ("tion:",))
    assert [(step.text, step.tokens) for step in cut.steps] == [("It is 4.\n", (1, 2)), ("Ques", None)]
    assert cut.stop is Stop.EOS
    assert cut_at(solution("a\n", "b"), ("\nb",)).text == "a"  # over two steps
    assert cut_at(solution("END"), ("END",)) == Solution((), Stop.EOS)


def test_what_has_none_of_them_stays_as_it_is() -> None:
    for drawn in (solution("It is 4."), solution("a", stop=Stop.OPEN), failed("HTTP 500 END")):
        assert cut_at(drawn, ("END",)) is drawn


def test_a_beam_ends_where_the_text_does() -> None:
    text = "keep\nThe answer is 4.\nQuestion: more\n"
    policy = StopAt(policies.Scripted(lambda problem, prefix, seed: text[len(prefix.text) :]), ("Question",))
    likes = from_steps(lambda problem, solution: [1.0] * len(solution.steps))
    [result] = search.beam_search([Problem("p", "?")], policy, likes, width=1, expand=2, max_steps=9)
    assert (result.answer, result.solution and result.solution.text) == ("4", "keep\nThe answer is 4.\n")
