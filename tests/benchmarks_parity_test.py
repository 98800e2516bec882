"""What parity.py says of a folder; that docs/PARITY.md has the whole matrix."""

import dataclasses
import pathlib

from huggingface_folders import logits
import numpy as np
import pytest

from wcse_jax import models

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope='module')
def parity():
  with pytest.MonkeyPatch.context() as patched:
    patched.syspath_prepend(str(ROOT / 'benchmarks'))
    import parity

    yield parity


@pytest.fixture(scope='module')
def cells(parity, tmp_path_factory):
  return parity.parity_cells.cells(tmp_path_factory.mktemp('cells'))


def test_the_document_has_every_cell(parity, cells):
  document = (ROOT / 'docs' / 'PARITY.md').read_text()
  rows = [parity.Row(cell=cell, ok=True, says='') for cell in cells]
  forms = lambda text: [
    line.split(' | ')[:2] for line in text.splitlines() if line[:1] == '|'
  ]
  every = parity.document(rows, dict.fromkeys(parity.gm_nn.CASES, 0.0))
  assert forms(every) == forms(document)
  assert f'{len(cells)} folders' in ' '.join(document.split())
  assert '**' not in document


def test_other_logits_are_wrong(parity, cells, tmp_path):
  cell = next(c for c in cells if c.what == 'one file')
  ours = logits(models.load(cell.theirs))
  answer = tmp_path / 'answer.npz'
  for error, ok in ((0, True), (1e-5, True), (1e-4, False)):
    np.savez(answer, logits=ours * (1 + error))
    assert parity.row(cell, answer).ok == ok
  refused = dataclasses.replace(cell, refused='rope_theta')
  assert 'read, in spite of' in parity.row(refused, answer).says
  answer.unlink()
  answer.with_suffix('.txt').write_text('ValueError: no')
  assert parity.row(cell, answer).says == 'transformers: ValueError: no'


def test_a_refusal_names_the_field(parity, cells, tmp_path):
  cell = next(c for c in cells if c.refused == 'a_new_field')
  assert parity.row(cell, tmp_path / 'none.npz').ok
  other = dataclasses.replace(cell, refused='rope_theta')
  assert not parity.row(other, tmp_path / 'none.npz').ok
  silent = dataclasses.replace(cell, refused='')
  assert not parity.row(silent, tmp_path / 'none.npz').ok


def test_another_sample_is_wrong(parity, cells, tmp_path):
  cell = next(c for c in cells if c.sampled)
  model = cell.load()
  sampler = parity.sampling.Sampler(
    model, max_new_tokens=parity.parity_cells.NEW, slots=4
  )
  ((sample,),) = sampler.sample([parity.parity_cells.PROMPT], temperature=0)
  tokens = parity.parity_cells.greedy(model, sample.num_tokens)
  answer = tmp_path / 'answer.npz'
  for last, logprob, ok in ((0, 1, True), (1, 1, False), (0, 1.01, False)):
    np.savez(
      answer,
      logits=logits(model),
      tokens=[*tokens[:-1], tokens[-1] + last],
      logprob=sample.logprob * logprob,
    )
    assert parity.row(cell, answer).ok == ok
