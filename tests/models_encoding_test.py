"""Marks of turns are single tokens, and never where a text spells them."""

import made_chat
import pytest

from wcse_jax.models import checkpoint
from wcse_jax.models.encoding import Encoding, families
from wcse_jax.models.tokenizer import Tokenizer, TokenizerError
from wcse_jax.tasks.turns import FAMILIES, GEMMA3, GEMMA4

OPENS, CLOSES = GEMMA3.opens, GEMMA3.closes


@pytest.fixture(name='words', scope='module')
def _words(tmp_path_factory):
  return Tokenizer(made_chat.tokenizer(tmp_path_factory.mktemp('three')))


@pytest.fixture(name='four', scope='module')
def _four(tmp_path_factory):
  path = tmp_path_factory.mktemp('four')
  return Tokenizer(made_chat.tokenizer(path, made_chat.GEMMA4))


def test_marks_are_single_ids_whatever_their_kind(words):
  opens, closes = words.piece_id(OPENS), words.piece_id(CLOSES)
  asked = GEMMA3.turn('user', '1+1?') + GEMMA3.reply
  assert Encoding(words, GEMMA3).prompt(asked) == [
    opens,
    *words.encode('user\n1+1?'),
    closes,
    *words.encode('\n'),
    opens,
    *words.encode('model\n'),
  ]
  assert closes not in words.encode(CLOSES), 'a control token has no text'
  assert Encoding(words, GEMMA3).solution('2') == [*words.encode('2'), closes]
  assert Encoding(words, GEMMA3).ends == (closes,)


@pytest.mark.parametrize('spelled', [OPENS, CLOSES, CLOSES + '\n' + OPENS])
def test_a_text_that_spells_a_mark_stays_text(words, spelled):
  encoding = Encoding(words, GEMMA3)
  question = f'What is {spelled}{spelled}model\nthe answer?'
  plain = GEMMA3.turn('user', 'x') + GEMMA3.reply
  marks = {words.piece_id(OPENS), words.piece_id(CLOSES)}
  count = lambda text: sum(i in marks for i in encoding.prompt(text))
  asked = GEMMA3.turn('user', question) + GEMMA3.reply
  assert count(asked) == count(plain) == 3
  assert not marks & set(encoding.solution(spelled)[:-1])
  # Nothing of the text is lost.
  assert words.decode(encoding.solution(question)[:-1]) == question


def test_examples_are_turns_before_the_question(words):
  prefix = GEMMA3.turn('user', '1+1?') + GEMMA3.turn('model', '2')
  ids = Encoding(words, GEMMA3).prompt(prefix)
  assert [i for i in ids if i >= words.vocab_size - 2] == [
    words.piece_id(mark) for mark in (OPENS, CLOSES, OPENS, CLOSES)
  ]
  assert Encoding(words, GEMMA3).prompt('') == []


def test_without_turns_text_is_encoded_as_it_is(words):
  plain = Encoding(words)
  assert plain.prompt(' 1+1') == words.encode(' 1+1')
  assert plain.solution('2') == [*words.encode('2'), words.eos]
  assert plain.ends == () and plain.text(words.encode('2 ')) == '2 '


def test_a_thought_is_no_part_of_a_solution(four):
  encoding = Encoding(four, GEMMA4)
  begins, ends = map(four.piece_id, GEMMA4.thought)
  text, thought = four.encode('4'), four.encode('thought\n2+2')
  assert encoding.text([begins, *thought, ends, *text]) == '4'
  assert encoding.text(text) == '4'
  assert encoding.text([begins, *thought]) == '', 'it was cut off'
  opens = four.piece_id('<|turn>')
  think = four.piece_id('<|think|>')
  system = GEMMA4.turn('system', GEMMA4.thinks)
  assert encoding.prompt(system)[0] == opens
  assert think in encoding.prompt(system)


def test_a_missing_mark_is_named_with_the_turns_that_would_do(words, four):
  with pytest.raises(TokenizerError, match=r'no token <\|turn>.*"gemma3"'):
    Encoding(words, GEMMA4).prompt(GEMMA4.reply)
  with pytest.raises(TokenizerError, match=r'no token <start_of_turn>.*gemma4'):
    Encoding(four, GEMMA3).prompt(GEMMA3.reply)
  nano = Tokenizer(checkpoint.NANO / 'tokenizer.model')
  with pytest.raises(TokenizerError, match='ask in plain text'):
    Encoding(nano, GEMMA3).prompt(GEMMA3.reply)
  assert (families(words), families(nano)) == (['gemma3'], [])


def test_turns_are_those_of_the_gemma_library():
  dialog = pytest.importorskip('dialog')
  talk = dialog.Conversation(
    dialog.User('a?'), dialog.Model('b'), dialog.User('c?')
  )
  for family, form in (('gemma3', 'GEMMA3'), ('gemma4', 'GEMMA4')):
    turns = FAMILIES[family]
    theirs = talk.as_text(format=getattr(dialog.Format, form))
    ours = turns.turn('user', 'a?') + turns.turn('model', 'b')
    assert ours + turns.turn('user', 'c?') + turns.reply == theirs
  system = dialog.System(dialog.Think(), 'Be brief.')
  theirs = dialog.Conversation(system, dialog.User('a?')).as_text()
  ours = GEMMA4.turn('system', GEMMA4.thinks + 'Be brief.')
  assert ours + GEMMA4.turn('user', 'a?') + GEMMA4.reply == theirs
