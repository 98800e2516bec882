"""How arms are written."""

import pytest

from wcse_jax.experiment import arms, config
from wcse_jax.experiment.arms import Pool

WRITTEN = (
  'se',
  'wc_compute_matched',
  'reference',
  'reference~1',
  'se@1.2',
  'se@1',
  'se+wc_compute_matched',
  'se@0.50+wc_number_matched~2',
  'wc_price_matched^5~1=all',
  'se=judge',
  'se=random',
  'se%wc_compute_matched',
  'wc_price_matched^5~1=all%se@1.2~2',
)


@pytest.mark.parametrize('text', WRITTEN)
def test_an_arm_is_the_text_that_it_is_written_as(text):
  """Folders and fingerprints are made of it."""
  arm = config.arm(text)
  assert str(arm) == text
  assert config.arm(str(arm)) == arm


def test_arms_may_be_built():
  for built, text in (
    (config.WC.kept(1), 'wc_compute_matched~1'),
    (config.WC_PRICE_MATCHED.first(5), 'wc_price_matched^5'),
    (config.SE.at(1.0), 'se@1.0'),
    (config.WC.unverified(), 'wc_compute_matched=all'),
    (config.WC.as_many_random(), 'wc_compute_matched=random'),
    (config.SE.in_epochs_of(config.WC), 'se%wc_compute_matched'),
    (arms.mix(config.SE, config.WC), 'se+wc_compute_matched'),
  ):
    assert built == config.arm(text) and str(built) == text


def test_generators_are_names():
  """Nothing of arms knows that there are two."""
  three = ('small', 'middle', 'large')
  arm = arms.parse(
    'small_compute_matched+middle_price_matched@2', three, 'large'
  )
  assert arm.pools == (Pool('small'), Pool('middle', 2.0))
  assert arm.label == 'small compute-matched + middle price-matched at T=2'
  assert str(arm.pools[1]) == 'middle@2.0'
  with pytest.raises(ValueError, match='known: large, small_compute_matched'):
    arms.parse('se', three, 'large')


def test_what_may_follow_an_arm():
  arm = config.arm('wc_price_matched^5~1=all')
  assert (arm.max_drawn, arm.max_kept, arm.keep) == (5, 1, 'all')
  assert arm.label == 'WC, first 5, 1 kept, unverified'
  like = config.arm('se%wc_compute_matched')
  assert (like.epochs, like.pools) == (config.WC, config.SE.pools)
  assert like.label == 'SE, epochs of WC compute-matched'
  assert config.arm('se=judge').label == 'SE, by the judge'
  assert config.arm('se@1.0+wc_compute_matched').generators == {'se', 'wc'}


@pytest.mark.parametrize(
  ('text', 'said'),
  [
    ('se^0', "after '^' give how many solutions to draw"),
    ('se~', "after '~' give how many solutions to keep"),
    ('se=some', "after '=' give one of correct, judge, majority, all"),
    ('se~1^5', 'in this order'),
    ('se=all~1', "after '=' give one of"),
    ('reference^1', 'nothing is sampled'),
    ('reference=all', 'nothing is sampled'),
    ('wc_price_match^1', 'did you mean wc_price_matched?'),
    ('se+reference', "unknown arm 'reference'"),
    ('reference@1', "unknown arm 'reference@1'"),
    ('se+se', 'draws twice from one pool'),
    ('se%', "unknown arm ''"),
    ('se%wc', "unknown arm 'wc'"),
    ('se%wc_compute_matched%se', "after '%' give an arm without another"),
    ('se%wc_compute_matched=all~1', "after '=' give one of"),
  ],
)
def test_what_may_not_follow_is_named(text, said):
  with pytest.raises(ValueError, match='.') as error:
    config.arm(text)
  assert said in str(error.value)
