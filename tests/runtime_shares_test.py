"""Shared work: whose it is, and what is left of who is lost."""

import itertools

import pytest

from wcse_jax.runtime import replicas, shares


class Team:
  """Replicas without files: what each took, and who is lost."""

  def __init__(self, index, count, taken=None, lost=(), then=()):
    self.spec = replicas.Spec(index=index, count=count)
    self._all = {i: {} for i in range(count)} | (taken or {})
    self._lost, self._then = {*lost}, [*then]

  def taken(self):
    return self._all

  def take(self, item, number):
    self._all[self.spec.index][item] = number

  def is_lost(self, index):
    return index in self._lost

  def pause(self):
    self._then.pop(0)()


def _shares(team, items, done):
  """Does what is yielded; returns it."""
  yielded = []
  for part in shares.of(team, items, done.__contains__):
    yielded.append(part)
    done.update(part)
  return yielded


@pytest.mark.parametrize('count', [1, 2, 3, 4, 9])
def test_parts_are_disjoint_and_whole(count):
  parts = []
  for index in range(count):
    others = {x for i, x in enumerate('abcdefg') if i % count != index}
    parts += [*_shares(Team(index, count), 'abcdefg', others)]
  assert sorted(itertools.chain(*parts)) == list('abcdefg')


def test_alone_it_is_all_one_part_done_or_not():
  """What is done is kept by the stages, which say so."""
  assert _shares(Team(0, 1), 'abc', {'b'}) == [['a', 'b', 'c']]


def test_what_a_lost_one_leaves_is_done_one_at_a_time(capsys):
  team = Team(0, 2, lost=[1])
  assert _shares(team, 'abcde', {'b'}) == [['a', 'c', 'e'], ['d']]
  team = Team(0, 2, lost=[1])
  assert _shares(team, 'abcde', set()) == [['a', 'c', 'e'], ['b'], ['d']]
  assert 'b: taken over from replica 1' in capsys.readouterr().out
  assert team.taken() == {0: {'b': 1, 'd': 1}, 1: {}}


def test_what_a_live_one_does_is_waited_for():
  done = set()
  team = Team(0, 2, then=[lambda: None, lambda: done.update('bd')])
  assert _shares(team, 'abcd', done) == [['a', 'c']]


def test_one_that_comes_back_leaves_what_was_taken_over():
  done = set()
  team = Team(1, 2, taken={0: {'b': 1}}, then=[lambda: done.update('abc')])
  assert _shares(team, 'abcd', done) == [['d']]


def test_what_was_taken_over_is_taken_over_again():
  team = Team(2, 3, taken={0: {'b': 1}}, lost=[0, 1])
  assert _shares(team, 'abc', {'a'}) == [['c'], ['b']]
  assert team.taken()[2] == {'b': 2}


def test_of_two_that_take_the_same_the_lower_does_it():
  done = set('ac')
  team = Team(2, 3, lost=[1], then=[lambda: done.add('b')])
  take = team.take

  def at_once(item, number):
    take(item, number)
    team.taken()[0][item] = number

  team.take = at_once
  assert _shares(team, 'abc', done) == []
