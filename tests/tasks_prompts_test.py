"""A prompt of one's own: a text with examples and '{question}'."""

import pytest

from wcse_jax import tasks
from wcse_jax.tasks import prompts

GSM8K = tasks.find('gsm8k')


def test_the_last_paragraph_asks_and_all_before_is_read_once():
  text = 'Solve.\n\nQ: 1+1?\nA: 2\n\nQ: {question}\nA:\n\n'
  made = prompts.with_text(GSM8K, text)
  assert made.prefix == 'Solve.\n\nQ: 1+1?\nA: 2\n\n'
  problem = made.problem('1', 'test', question='2+2?', solution='', gold='4')
  assert problem.prompt == 'Q: 2+2?\nA:'
  assert made.cut(' 4\n\nQ: 3+3?') == ' 4'
  assert (made.name, made.grader_version) == ('gsm8k', GSM8K.grader_version)


def test_braces_and_line_ends_stay_as_they_are():
  made = prompts.with_text(GSM8K, 'Q: {question}\r\nAnswer in \\boxed{}: {x}')
  asked = made.problem(
    '1', 'test', question='{}?', solution='', gold='4'
  ).prompt
  assert asked == 'Q: {}?\nAnswer in \\boxed{}: {x}'
  assert made.prefix == ''


def test_a_question_alone_ends_at_an_empty_line():
  made = prompts.with_text(GSM8K, '{question}')
  assert (made.prefix, made.stop_strings) == ('', ('\n\n',))


@pytest.mark.parametrize(
  ('text', 'times'), [('', 0), ('Q: {q}', 0), ('{question} {question}', 2)]
)
def test_a_text_that_asks_nothing_is_named(text, times):
  with pytest.raises(prompts.PromptError, match=f'{times} times'):
    prompts.with_text(GSM8K, text, 'my.txt')


def test_a_file_is_read_or_named(tmp_path):
  file = tmp_path / 'prompt.txt'
  file.write_text('P: {question}')
  made = prompts.configured('gsm8k', str(file))
  assert made.prompt_format == 'P: {question}'
  assert prompts.configured('gsm8k') is GSM8K
  with pytest.raises(prompts.PromptError, match='name a text file'):
    prompts.configured('gsm8k', str(tmp_path / 'no.txt'))
  file.write_bytes(b'\xff')
  with pytest.raises(prompts.PromptError, match=r'prompt\.txt'):
    prompts.configured('gsm8k', str(file))
