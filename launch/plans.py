r"""Writes docs/PLANS.md: what every config takes on TPUs.

  make plans              # or, where libtpu is: python launch/plans.py

A program is compiled once, whatever the number of configs and of runs; what it
takes becomes a row of wcse_jax/tpu/compiled.jsonl, at once. So a run that
was cut off, or one after a change of a model, compiles what is missing. With
--minutes=60, nothing is compiled after an hour, and the page names what that
left out, but without wc_distill it is not written. `launch/plan.py` plans a
single config.
"""

import argparse
from collections.abc import Iterator
import datetime
import math
import os
import pathlib
import runpy
import sys
from typing import Any

from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import scales

ROOT = pathlib.Path(__file__).parents[1]
SAMPLING = 'v5e:2x4'
FINETUNING = ('v5e', 'v5p', 'v5p:4x4x4')  # kinds: their smallest slice

HEAD = """# What the paper's models, and later ones, take on TPUs

Written by `make plans`, {date}, with jax {jax} and libtpu {libtpu}; no
TPU was used. As `launch/plan.py` does it: programs are compiled ahead of time,
bytes and FLOPs counted from what the compiler made of them, and times are those
of a roofline, the least there can be. A few layers are compiled, from which all
are extrapolated: HBM errs to the safe side, e.g. 14.7 for 13.9 GiB of Gemma 2
9B (`launch/plan.py --whole` compiles all). Prompts are estimated by their
characters, and solutions have half of the most tokens there may be;
`launch/plan.py` has flags for these, for prices and for other slices. Compiling
all of it anew takes {minutes:.0f} minutes on two cores.

"""


def main() -> None:
  """Plans all configs."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--minutes', type=float, default=math.inf)
  minutes = parser.parse_args().minutes
  os.environ['JAX_PLATFORMS'] = 'cpu'  # no TPU is used, if there is one
  import importlib.metadata

  from wcse_jax.tpu import compilation, known, topology

  compilation.stop_after(minutes)
  known.KNOWN.recording = True
  try:
    versions = {n: importlib.metadata.version(n) for n in ('jax', 'libtpu')}
  except importlib.metadata.PackageNotFoundError:
    sys.exit(f'error: {topology.NO_LIBTPU}')
  left: list[str] = []
  text = ''
  for scale in scales.LARGE:
    configs = list(_configs(scale))
    text += f'## {scale}\n\n{_sampling(configs, left)}\n'
    text += f'{_finetuning(configs, left)}\n'
  if lacking := [name for name in left if name.startswith('wc_distill:')]:
    sys.exit(f'not written: the time was up before {lacking[0]}; go on')
  if left:
    text += f'Not compiled, for the time was up: {", ".join(left)}.\n'
  else:
    known.KNOWN.forget()
  head = HEAD.format(
    date=datetime.date.today().strftime('%d %B %Y'),
    minutes=known.KNOWN.compile_s / 60,
    **versions,
  )
  (ROOT / 'docs' / 'PLANS.md').write_text(head + text.rstrip('\n') + '\n')


def _configs(scale: str) -> Iterator[config_lib.Config]:
  """Yields every experiment that has the scale."""
  for path in sorted((ROOT / 'configs').glob('*.py')):
    get_config = runpy.run_path(str(path))['get_config']
    try:
      config = config_lib.freeze(get_config(scale))
      if not config.experiments:
        yield config
    except config_lib.ConfigError as error:
      if error.field != 'scale':
        raise


def _sampling(configs: list[config_lib.Config], left: list[str]) -> str:
  from wcse_jax.tpu import compilation, experiment, topology

  options = experiment.Options(topology=SAMPLING)
  rows, programs = [], {}
  for config in configs:
    try:
      made = experiment.plan(config, options, _tell)
    except compilation.TimeUpError:
      left.append(f'{config.name}:{config.scale}')
      continue
    except topology.PlanError as error:
      reason = str(error).splitlines()[0]
      rows.append((config.name, reason, '-', '-', '-'))
      continue
    if not made['generators']:
      rows.append((config.name, 'its samples are external', '-', '-', '-'))
    for role, work in made['generators'].items():
      rows.append(
        (
          config.name,
          f'{work["model"]} ({role})',
          f'{work["problems"]:,} x {work["samples"]}',
          f'{work["tokens"] / 1e6:,.1f}',
          f'{work["chip_hours"]:,.1f}',
        )
      )
      decode = made['programs'][f'{role}/decode']
      prompt = f'{work["prefix_tokens"]} + {work["prompt_tokens"]}'
      programs[work['model'], prompt] = (
        f'{work["replicas"]} x {work["tensor"]}',
        made['slots'][role],
        f'{work["hbm_peak_bytes_per_chip"] / 2**30:.2f}',
        f'{decode["roofline_s"] * 1e3:.1f}',
        f'{decode["hbm_bytes_per_step"] / decode["weights_plus_kv_bytes"]:.3f}',
        f'{work["tokens_per_s_per_chip"]:,.0f}',
      )
  return (
    f'### Sampling on {SAMPLING}\n\n'
    'Model, tokens of prefix and question; replicas x chips of each, slots of'
    ' each; HBM per chip; a decode step, and what it moves by weights + KV.\n\n'
    + _table(
      'model | prompt | replicas | slots | HBM GiB | step ms | moved |'
      ' tokens/s per chip',
      [(*key, *values) for key, values in programs.items()],
    )
    + '\n'
    + _table('config | model | samples | M tokens | chip-hours', rows)
  )


def _finetuning(configs: list[config_lib.Config], left: list[str]) -> str:
  from wcse_jax.tpu import compilation, experiment, topology

  steps, recipes, tried = {}, [], set()
  for config in configs:
    for where in FINETUNING if config.student else ():
      options = experiment.Options(train_topology=where)
      spec = config.finetune
      batch = config.student, where, spec.batch_size, spec.row_tokens
      try:
        if batch in tried:  # no use in trying again
          raise compilation.TimeUpError
        made = experiment.plan(config, options, _tell)['training']
      except compilation.TimeUpError:
        left.append(f'{config.name}:{config.scale} on {where}')
        tried.add(batch)
        continue
      except topology.PlanError:
        steps[batch] = (where, '-', *['does not fit'] * 5)
        continue
      step = made[config.student]
      layout, seconds = step['layout'], step['roofline_s_by']
      received = sum(step['collective_bytes_per_step'].values())
      mesh = f'{layout["fsdp"]} x {layout["tensor"]}, {layout["remat"]}'
      steps[batch] = (
        step['topology'],
        mesh,
        f'{step["rows"]} x {step["row_tokens"]:,}',
        f'{step["hbm_bytes_per_chip"] / 2**30:.2f}',
        f'{step["flops"] / 1e12:.1f}',
        f'{received / 1e9:.2f}',
        f'{step["roofline_s"] * 1e3:.0f} ({max(seconds, key=seconds.get)})',
      )
      recipes.append(
        (
          config.name,
          config.student,
          step['topology'],
          sum(step['students_per_budget'].values()),
          f'{step["chip_hours"]:,.0f}',
        )
      )
  return (
    '### Finetuning\n\n'
    'The smallest slice of each kind that fits, and one of 64 chips. Devices'
    ' that share parameters x those that share a layer, and what is computed'
    ' again; rows of a batch; HBM, FLOPs and bytes received, per chip and step;'
    ' the least time of a step, and what takes it.\n\n'
    + _table(
      'student | slice | layout | rows | HBM GiB | TFLOP | GB received | step'
      ' ms',
      [(student, *values) for (student, *_), values in steps.items()],
    )
    + '\nAll students of a config: every arm, budget and learning rate.\n\n'
    + _table('config | student | slice | students | chip-hours', recipes)
  )


def _table(head: str, rows: list[tuple[Any, ...]]) -> str:
  lines = [head, ' | '.join('---' for _ in head.split(' | '))]
  lines += [' | '.join(map(str, row)) for row in rows]
  return ''.join(f'| {line} |\n' for line in lines)


def _tell(line: str) -> None:
  print(line, file=sys.stderr, flush=True)


if __name__ == '__main__':
  main()
