"""The folders of a workdir, and the stages that make them."""

from collections.abc import Iterable, Iterator, Sequence

# The folders of a workdir, in order, each with the stage that makes it.
FOLDERS = {
  'problems': 'prepare',
  'plan': 'plan',
  'sample': 'sample',
  'verify': 'verify',
  'judge': 'verify',
  'curate': 'curate',
  'finetune': 'finetune',
  'evaluate': 'evaluate',
  'report': 'report',
}
# What the pipeline does, in order.
STAGES = tuple(dict.fromkeys(FOLDERS.values()))


def made_by(name: str) -> str:
  """Returns the stage that makes a folder, or a part of one.

  Example:
    >>> made_by('judge/wc')
    'verify'

  Args:
    name: A stage ('prepare'), a folder ('problems'), or a part ('judge/wc').
  """
  kind = name.split('/')[0]
  return FOLDERS.get(kind, kind)


def stages_to_run(
  stages: Sequence[str] | None, preview: int = 0
) -> Sequence[str]:
  """Returns the stages that a run has: the plan is of problems, so they come.

  Example:
    >>> stages_to_run(['plan'])
    ['prepare', 'plan']

  Args:
    stages: Those asked for; None is all.
    preview: How many samples are to be drawn instead, and shown; 0 is none.
  """
  if preview:
    return ['prepare', 'plan', 'sample']
  if stages is None:
    return STAGES
  early = 'plan' in stages and 'prepare' not in stages
  return ['prepare', *stages] if early else stages


def unknown_stages(
  stages: Iterable[str] | None, redo: Iterable[str]
) -> Iterator[str]:
  """Yields what is wrong with the stages to run, and with those to redo."""
  for name in stages or ():
    if name not in STAGES:
      remedy = ' leave --stages out to run all of' if name == 'all' else ''
      known = ', '.join(STAGES)
      yield f'no stage is called {name!r};{remedy} the stages: {known}'
  for name in redo:
    if made_by(name) not in STAGES:
      known = ', '.join(dict.fromkeys([*STAGES, *FOLDERS]))
      yield f'no stage is called {name!r}; what can be forgotten: {known}'
