"""A file's problems, asked and graded as those of GSM8K.

An 'answer' may be an official one of GSM8K, which ends in '#### 18': then it is
the solution, too.
"""

from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

from wcse_jax.tasks import files, gsm8k
from wcse_jax.tasks.gsm8k import grade, quick

__all__ = ['TASK', 'grade', 'problems', 'quick']

TASK = dataclasses.replace(gsm8k.TASK, name='file_gsm8k')


def _read(row: Mapping[str, Any]) -> tuple[str, str, str]:
  question, gold, solution = files.answer(row)
  if '####' in gold:
    solution = solution or gsm8k.reference_solution(gold)
    gold = gsm8k.gold(gold)
  return question, gold, solution


problems = functools.partial(files.problems, TASK, read=_read)
