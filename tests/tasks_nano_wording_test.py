"""Questions are read back."""

import random

import pytest

from wcse_jax.tasks.nano import problems, solutions, wording


def test_questions_can_be_read_back():
  rng = random.Random(1)
  for i in range(300):
    level = i // 60 + 1
    question, root, numbers = problems.draw(rng, level, 'corpus')
    read, read_numbers = wording.interpret(question)
    assert [node.value for node in read_numbers] == numbers, question
    solution = solutions.reference_solution(root)
    assert solutions.reference_solution(read) == solution, question
    assert solution.count('=') == level


def test_other_text_is_refused():
  with pytest.raises(ValueError, match="question: 'Ann flies.'"):
    wording.interpret('Ann flies. How many cups does Ann have now?')
