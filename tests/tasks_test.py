"""The tasks together: their few-shot examples are part of what is drawn."""

import hashlib

import pytest

from wcse_jax import tasks


@pytest.mark.parametrize(
  'task, sha256',
  [
    (
      'gsm8k',
      '3d55795c084e26f6ebb6925833999a44f75c4280eb7ab4d66f9bb940244e4847',
    ),
    (
      'math',
      'b01348e31b4392a0aff3c3587bba7ccb2da4df065a56f85fce330b2f13e94419',
    ),
    (
      'mbpp',
      'e66630a9a9a5cf1c574489e2ac0778c01ff8b8e4b8f0f7dbbe40ca3e5c73c5ba',
    ),
    (
      'ifeval',
      '57bed0e7a2cfdba1063768bb506ba80d07d264890cd6f57b1943a1f0a582b93e',
    ),
  ],
)
def test_examples_are_these_to_the_letter(task, sha256):
  """A space at a line's end that an editor takes away makes other pools."""
  prefix = tasks.find(task).prefix
  assert hashlib.sha256(prefix.encode()).hexdigest() == sha256
