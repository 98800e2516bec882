"""Other graders of mathematical answers, to stand beside ours."""

from collections.abc import Callable, Iterable
import contextlib
import importlib.util
import time
from typing import NamedTuple


class Pair(NamedTuple):
  """A solution to grade, and what is right: None if that must be looked at."""

  name: str
  gold: str
  text: str
  question: str
  right: bool | None


Peer = Callable[[Pair], bool]


def _math_verify() -> Peer:
  import logging

  import math_verify

  logging.getLogger('math_verify').setLevel(logging.CRITICAL)
  return lambda pair: bool(
    math_verify.verify(
      math_verify.parse(f'${pair.gold}$'), math_verify.parse(pair.text)
    )
  )


def _minerva_math() -> Peer | None:
  found = importlib.util.find_spec('lm_eval')
  if not found or not found.submodule_search_locations:
    return None
  # Its package imports much; this one file does not.
  (folder,) = found.submodule_search_locations
  spec = importlib.util.spec_from_file_location(
    'minerva_math_utils', f'{folder}/tasks/minerva_math/utils.py'
  )
  if not spec or not spec.loader:
    return None
  utils = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(utils)

  def correct(pair: Pair) -> bool:
    # It knows an answer by its phrase, and a gold answer by its box.
    text = pair.text
    if 'final answer is' not in text:
      box = utils.last_boxed_only_string(text)
      try:
        text = utils.remove_boxed(box) if box else text
      except AssertionError:
        return False
      text = (
        f'Final Answer: The final answer is ${text}$. I hope it is correct.'
      )
    answer = utils.normalize_final_answer(utils.get_unnormalized_answer(text))
    return utils.is_equiv(answer, utils.normalize_final_answer(pair.gold))

  return correct


def find(task: str) -> dict[str, Peer | None]:
  """The peers of a task; None for one that is not installed."""
  makers = {'math-verify': _math_verify, 'minerva_math': _minerva_math}
  if task == 'gsm8k':
    del makers['minerva_math']  # it reads no '#### 18'
  peers: dict[str, Peer | None] = {}
  for name, make in makers.items():
    peers[name] = None
    with contextlib.suppress(ImportError, AssertionError):  # of its needs
      peers[name] = make()
  return peers


def ask(peer: Peer, pairs: Iterable[Pair]) -> tuple[list[bool], float]:
  """What a peer says, and in how many seconds."""
  start = time.monotonic()
  said = []
  for pair in pairs:
    try:
      said.append(peer(pair))
    except Exception:  # a peer that fails says no
      said.append(False)
  return said, time.monotonic() - start
