"""The sections of a config on what samples, here or elsewhere."""

import dataclasses

from wcse_jax.experiment.rules import above, at_least, at_most, field
from wcse_jax.experiment.sections import TEMPERATURE, TOKENS


@dataclasses.dataclass(frozen=True, kw_only=True)
class TeacherSpec:
  """A model that samples, by the name that arms have for it.

  `config.wc` and `se`, with `checkpoints`, `tokenizers` and `external`, are
  short for two of them.
  """

  model: str = ''
  """One of `wcse list models`, or a name in a file, or at a server."""
  checkpoint: str = ''
  """Folder of its weights; '' takes those that come with it."""
  tokenizer: str = ''
  """Its tokenizer; '' is the model's own."""
  external: str = ''
  """File of its samples, or the URL of a server; '' draws them here."""
  prompt: str = ''
  """File as `prompt`, for this model alone; '' asks as all others are."""
  temperature: float | None = field(None, *TEMPERATURE)
  """At which it samples; None is `sampling.temperature`."""
  params: float | None = field(None, above(0, 'give a number, or None'))
  """Its parameters, by which budgets match, counted as `budget.params` says;
  None is as many as are known."""
  tokens: float | None = field(None, above(0, 'give tokens, or None'))
  """Mean tokens of one sample, its prompt included, for arms that match by
  measured FLOPs; an earlier run's report shows them."""
  seconds: float | None = field(None, above(0, 'give seconds, or None'))
  """Seconds of one sample, for arms that match by the clock; an earlier run's
  report shows them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExternalSpec:
  """Samples drawn elsewhere, by role: files, or servers that draw them.

  '' draws them here; else `wc`, or `se`, is the model's name in the file
  (`wcse_jax.sampling.external`) or at the server
  (`wcse_jax.sampling.endpoint`), which needs neither architecture nor weights.
  So is `judge` at the server that judges.
  """

  wc: str = ''
  """File of WC's samples, or the URL of a server; '' draws them here."""
  se: str = ''
  """File of SE's samples, or the URL of a server; '' draws them here."""
  judge: str = ''
  """URL of a server that judges; '' judges here."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EndpointSpec:
  """How a server is asked whose URL is in `external`."""

  chat: bool = True
  """Whether prompts are messages of a user (chat/completions), or texts to be
  continued (completions), as pretrained models want them."""
  samples: int = field(1, at_least(1), at_most(1000))
  """Samples of a problem that one request asks for: `n` of the protocol."""
  requests: int = field(16, at_least(1), at_most(1000))
  """Requests at a time."""
  timeout_s: float = field(120.0, above(0), at_most(86_400))
  """Seconds that an answer may take."""
  judge_tokens: int = field(16, at_least(1), TOKENS)
  """Tokens of a judge's answer at most: one that thinks first needs more."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LimitSpec:
  """What servers may be paid in all, by all runs of a workdir.

  A request that could pass a limit is not sent; a higher one goes on.
  """

  usd: float | None = field(None, above(0, 'give dollars, or None'))
  """Dollars, by the price table; None is any amount."""
  tokens: int | None = field(None, at_least(1, 'give at least 1, or None'))
  """Tokens that are sampled; None is any number."""
  hours: float | None = field(None, above(0, 'give hours, or None'))
  """Hours of the clock while requests are sent; None is any number."""
