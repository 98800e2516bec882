"""What the paper reports, beside which the page sets a run's outcome.

Source: arXiv 2408.16737, by its abstract and published summaries.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
  """One number of the paper: `arm` against SE at one budget.

  Attributes:
    expected: 1 if the paper finds `arm` above SE, -1 if below.
    relative: Whether the numbers are relative gains, or points.
  """

  metric: str
  arm: str
  budget: str
  math: str
  gsm8k: str
  expected: int = 1
  relative: bool = True


_MATCHED = 'wc_compute_matched'
CLAIMS = tuple(
  Claim(metric=metric, arm=_MATCHED, budget=budget, math=math, gsm8k=gsm8k)
  for metric, budget, math, gsm8k in (
    ('pass_at_1', 'low', '+6%', '+4.2%'),
    ('pass_at_1', 'high', '+5.8%', '+1.3%'),
    ('coverage', 'low', '+11%', '+8%'),
    ('coverage', 'high', '+6%', '+1%'),
    ('diversity', 'low', '+86%', '+134%'),
    ('diversity', 'high', '+125%', '+158%'),
  )
) + tuple(
  claim
  for budget in ('low', 'high')
  for claim in (
    Claim(
      metric='fpr',
      arm=_MATCHED,
      budget=budget,
      math='+7 points',
      gsm8k='+2 points',
      relative=False,
    ),
    Claim(
      metric='pass_at_1',
      arm='wc_number_matched',
      budget=budget,
      math='SE wins',
      gsm8k='SE wins',
      expected=-1,
    ),
  )
)

NOTE = (
  'The paper (arXiv 2408.16737) samples MATH and GSM8K with Gemma2-9B (WC) and'
  ' Gemma2-27B (SE); its student here is Gemma-7B. Its numbers are taken from'
  ' its abstract and published summaries; it gives one false positive rate'
  ' for each dataset, shown at both budgets. It samples at temperature 0.7,'
  ' with top-k 3 [u], from pretrained generators [u], at most 512 new tokens'
  ' [u]; [u] marks what could not be verified. Only directions are compared:'
  ' the sizes of effects belong to its models and data.'
)
