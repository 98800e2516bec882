"""A grader's version rises with a verdict of the certificate's sets.

If a test here fails, a grader gives other verdicts than the version of it that
is written here: raise `grader_version` of its task, and write both here. Else
verdicts of before would be kept beside those of now.
"""

import hashlib
import json

import pytest

from wcse_jax import tasks
from wcse_jax.verify import grading
from wcse_jax.verify.certificate import hard_pairs

# By task: the version, and the digest of its verdicts on the hard pairs.
VERDICTS = {
  'nano_arithmetic': (1, '29105fb8829ecbca'),
  'nano_one_step': (1, '29105fb8829ecbca'),
  'gsm8k': (4, '9812e90e6788349b'),
  'math': (4, '2b331d2100ab3277'),
  'functional_math': (4, '2b331d2100ab3277'),
}


@pytest.mark.parametrize('task', VERDICTS)
def test_verdicts_change_with_the_version_alone(task):
  grade = grading.find(task)
  said = [
    grade(gold, text, '').verdict
    for gold, written, _ in hard_pairs.pairs()
    for text in (written, f'The answer is {written[7:-1]}.')
  ]
  digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
  version = tasks.find(task).grader_version
  assert (version, digest) == VERDICTS[task], __doc__
