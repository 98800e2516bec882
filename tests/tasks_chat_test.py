"""Prompts in turns: what a file says, and what it must not."""

import made_chat
import pytest

from wcse_jax import tasks
from wcse_jax.tasks import chat, prompts
from wcse_jax.tasks.turns import GEMMA3, GEMMA4


def asked(text, tmp_path, **options):
  path = tmp_path / 'chat.toml'
  path.write_text(text)
  return prompts.configured('gsm8k', str(path), **options)


def test_examples_are_turns_and_students_are_asked_by_the_last(tmp_path):
  info = asked(made_chat.PROMPT, tmp_path)
  says = lambda q: f'{q} End with "The answer is" and the number.'
  assert info.turns == GEMMA3 and info.stop_strings == ()
  assert info.prefix == (
    GEMMA3.turn('user', says('Tom has 20 eggs and sells 6. How many are left?'))
    + GEMMA3.turn('model', '20-6=14. The answer is 14.')
  )
  problem = info.problem('0', 'train', question='{x}?', solution='1', gold='1')
  assert problem.prompt == GEMMA3.turn('user', says('{x}?')) + GEMMA3.reply
  assert info.cut('1\n\nQ: 2') == '1\n\nQ: 2'


def test_zero_shot_has_nothing_before_the_question(tmp_path):
  info = asked("turns = 'gemma2'\nuser = 'Set {1}: {question}'", tmp_path)
  assert info.prefix == ''
  made = info.prompt_format.format(question='a')
  assert made == GEMMA3.turn('user', 'Set {1}: a') + GEMMA3.reply


def test_gemma4_thinks_only_if_told_to(tmp_path):
  info = asked("turns = 'gemma4'", tmp_path)
  assert (info.prefix, info.turns) == ('', GEMMA4)
  info = asked(
    "turns = 'gemma4'\nthinking = true\nsystem = 'Be brief.'", tmp_path
  )
  assert info.prefix == '<|turn>system\n<|think|>Be brief.<turn|>\n'
  assert GEMMA4.thinks not in info.prompt_format


def test_a_server_sets_the_marks_by_itself(tmp_path):
  info = asked(made_chat.PROMPT, tmp_path, bare=True)
  assert info.turns is None and '_of_turn>' not in info.prefix
  assert info.prefix.endswith('20-6=14. The answer is 14.\n\n')
  made = info.prompt_format.format(question='Q?')
  assert made == 'Q? End with "The answer is" and the number.'


def test_other_tests_are_asked_in_the_same_turns(tmp_path):
  info = asked(made_chat.PROMPT, tmp_path)
  other = tasks.find('math')
  alike = prompts.alike(other, info)
  assert alike.name == 'math' and alike.prompt_format == info.prompt_format
  assert prompts.alike(other, tasks.find('gsm8k')) == other


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('turns = ', 'write it as TOML'),
    ('', 'give gemma2, gemma3, gemma4'),
    ("turns = 'gemma3'\nusr = 'x'", 'known: turns, user'),
    ("turns = 'gemma3'\nuser = 3", 'user = 3\ngive a text'),
    ("turns = 'gemma4'\nthinking = 'yes'", 'give true or false'),
    ("turns = 'gemma3'\nuser = 'Hi'", 'write {question} once'),
    ("turns = 'gemma3'\nthinking = true", 'gemma3 has none: leave it out'),
    ("turns = 'gemma3'\nexamples = 'x'", 'each headed [[examples]]'),
    (
      "turns = 'gemma3'\n[[examples]]\nquestion = 'a'",
      'give texts: question and solution',
    ),
    (
      "turns = 'gemma3'\nuser = '<start_of_turn>{question}'",
      'marks of turns are set by themselves',
    ),
    (
      "turns = 'gemma4'\n[[examples]]\nquestion='a'\nsolution='b<turn|>'",
      'leave <turn|> out',
    ),
  ],
)
def test_a_file_that_is_no_prompt_is_named_with_the_remedy(
  text, message, tmp_path
):
  with pytest.raises(chat.PromptError) as caught:
    asked(text, tmp_path)
  assert 'chat.toml' in str(caught.value) and message in str(caught.value)
