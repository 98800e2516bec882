"""The paper's rule: what sampling costs, and how many samples cost the same.

A decoder-only transformer with P parameters costs about 2P FLOPs per generated
token. With one mean solution length W for all models, n problems and S samples
per problem the paper's rule is `cost = n * S * W * 2P`, so a budget of S_SE
samples from the strong model pays for `S_WC = (P_SE / P_WC) * S_SE` samples
from the weak one (arXiv 2408.16737, section 3). Models behind an API are
matched by price instead: `S_WC = (usd_SE / usd_WC) * S_SE`.
"""

from wcse_jax.experiment import arguments
from wcse_jax.experiment.rules import above, at_least


def flops_per_token(params: float) -> float:
  """Returns 2P, the FLOPs of one generated token.

  Example:
    >>> flops_per_token(9e9)
    18000000000.0

  Args:
    params: The number of parameters, P.

  Raises:
    ArgumentError: It is no number above 0.
  """
  arguments.check_as(float, above(0), params=params)
  return 2.0 * params


def sampling_flops(
  num_problems: int, samples: float, mean_tokens: float, params: float
) -> float:
  """Returns the cost of sampling by the paper's rule, `n * S * W * 2P`.

  Example:
    Three samples of a 9B model cost what one of a 27B model does.

    >>> sampling_flops(100, 3, 200, 9e9) == sampling_flops(100, 1, 200, 27e9)
    True

  Args:
    num_problems: The number of problems, n.
    samples: Samples per problem, S.
    mean_tokens: The mean length of a solution in tokens, W.
    params: The number of parameters, P.

  Returns:
    FLOPs.

  Raises:
    ArgumentError: A number makes no sense.
  """
  arguments.check_as(
    float,
    at_least(0),
    num_problems=num_problems,
    samples=samples,
    mean_tokens=mean_tokens,
  )
  return num_problems * samples * mean_tokens * flops_per_token(params)
