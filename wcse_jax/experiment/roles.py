"""The models of a config that sample, as arms name them."""

from collections.abc import Iterable
import re

from ml_collections import config_dict

GENERATORS = ('wc', 'se')
ANCHOR = 'se'  # the one of them whose samples budgets are counted in
# What is said of these two, and of student and judge, in fields of their own:
# of what, and what the name stands behind.
SHORT = {
  'model': '',
  'checkpoint': 'checkpoints.',
  'tokenizer': 'tokenizers.',
  'external': 'external.',
}
# What is no name: other models, and what tables of `wcse split` have.
_TAKEN = (
  *('student', 'judge', 'reference'),
  *('both', 'coverage', 'diversity', 'chance_best'),
)


def unusable(
  names: Iterable[str], anchor: str
) -> tuple[str, object, str] | None:
  """Returns the field, its value and the remedy if models are named wrongly.

  Args:
    names: The names of all that may sample.
    anchor: The name of the one whose samples budgets are counted in.

  Example:
    >>> unusable(['wc', 'se', 'my model'], 'se')[1]
    'my model'
  """
  for name in names:
    taken = (
      name in _TAKEN
      or name.endswith('_matched')
      or hasattr(config_dict.ConfigDict, name)  # its methods
    )
    if taken or not re.fullmatch(r'[A-Za-z]\w{0,39}', name, re.ASCII):
      return (
        'teachers',
        name,
        'name a model by up to 40 letters, digits and "_", the first a letter;'
        f' {", ".join(_TAKEN)}, what ends with "_matched" and words of Python'
        ' such as "items" are taken',
      )
  if anchor not in names:
    return 'budget.anchor', anchor, f'known: {", ".join(names)}'
  return None
