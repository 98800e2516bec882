"""results.json: what a run found, as the report reads and writes it.

An *estimate* is `{"value", "low", "high"}`, the bounds being those of its
confidence interval; a number that does not exist is null. Rates and relative
gains are fractions: 0.05 is 5%, or 5 points. Keys of `k` and of levels are
decimal strings. Whatever is marked ? may be missing, and `arms`, `students`
and `comparisons` may be empty or hold any subset.

  schema_version   2
  run              name, scale, task, command, started, device (that sampled,
                   or, if that is not known, reported), git,
                   versions {package: version}, seconds {stage: seconds},
                   config {the resolved config}
  prices           {'wc' | 'se': usd_per_million_output_tokens,
                   usd_per_million_input_tokens (or null), date, source}, of
                   models whose price is known
  models           {'wc' | 'se' | 'student': name, nominal_params ?,
                   exact_params ?, non_embedding_params ?}
  problems         {split: number of problems}
  overlap ?        {'test' | task: as tasks.overlap.report: n, test,
                   test_overlapping, test_more_than_half, worst, ...}
  no_gold ?        {split: [problem_id that has no gold that can be read]}
  fpr_source ?     {name ('steps', 'judge' or 'people'), exact (whether it is a
                   check that decides exactly)}: by whose word a sample is a
                   false positive, but for `fpr_by`; null if nobody looked
  arms             {arm: {budget: cell}}, budgets in increasing order
    cell           generator ('wc', 'se' or null), label,
                   samples_per_problem, samples (over all problems),
                   coverage {k: estimate}, diversity {k: estimate, in unique
                   correct solutions}, fpr (estimate or null), fpr_by ?
                   {'steps' | 'judge' | 'people': estimate}, accuracy
                   (estimate: share of correct samples), unknown (samples),
                   coverage_upper {k: coverage if every unknown sample were
                   correct}, cost_flops (all samples, by the rule 2PW; null
                   where a size is not known, as of samples from a file), cost
                   {as ledger.Cost, its sum sampling_flops, tokens,
                   prompt_tokens; training_flops: of one student},
                   cost_per_true ? {matching: estimate of the cost of a sample
                   of right answer and right reasoning}, matched (same cost as
                   SE at this budget), examples (finetuning),
                   by_level ? {level: {coverage: estimate at the largest k}}
  students         {'<arm>-<budget>' | 'base': arm, budget, seeds (finetuned
                   so often: estimates are means over them), examples, steps,
                   best_step, best_rate, transfer {task: as the test}, pass_at_1
                   (estimate), maj_at_k and coverage_at_k {k: estimate},
                   by_level {level: {pass_at_1}}, validation
                   [[step, accuracy], ...], by_seed ? [{pass_at_1, maj_at_k {k},
                   best_step, best_rate, validation}, ...]}; best_step,
                   best_rate and validation are of the first seed
  comparisons      [{a, b ('<arm>-<budget>'; 'base'), metric ('pass_at_1',
                   'coverage', 'diversity', 'fpr', ...), absolute (estimate of
                   a - b), relative (estimate of a / b - 1), mde (the smallest
                   absolute effect that could have been detected), matched,
                   by_seed ? [a - b of each finetuning seed]}]
                   'coverage' and 'diversity' are taken at each arm's own
                   samples per problem
  winners ?        [{budget, metric, flips (whether two ways of matching have
                   different winners), rows [{matching ('number', 'flops',
                   'measured', 'price', 'seconds'), se_samples, wc_samples,
                   absolute, relative (estimates of WC's gain), winner ('wc',
                   'se', 'undecided'), note (why it is not matched)}]}]
                   null where a cost or a value is not known
  break_even ?     [{a, b, fpr {matching: estimate of the false positive rate
                   of a below which its truly correct samples are cheaper}}]
  paper ?          {what: text}, further expectations to show
  samples_to_read  [{kind ('correct', 'false positive', 'wrong', 'unknown'),
                   generator, problem, text, gold, answer}]
  agreement ?      {'steps' | 'judge': estimate of how often it says what
                   people say, n, right_right, right_wrong, wrong_right,
                   wrong_wrong (people's word first)}
  ledger           {generator: planned_samples, planned_tokens,
                   duplicates_rate (of what arms take; all else is of the whole
                   pool, which may hold more), samples, tokens, prompt_tokens,
                   tokens_per_s, seconds, device, slots, slots_busy, truncated,
                   verify_seconds (of all workers; null if not known), spent
                   {as in sampling.Ledger; null of samples from a file}}

Of several experiments (`report.write_all`) the file holds {schema_version,
experiments {name: all of the above}}.
"""

from collections.abc import Mapping
import json
import math
from typing import Any

VERSION = 2

Results = dict[str, Any]


def jsonable(value: Any) -> Any:
  """What reading the JSON of `value` would give; NaN and infinities: None."""
  if isinstance(value, Mapping):
    return {str(key): jsonable(item) for key, item in value.items()}
  if hasattr(value, 'tolist'):  # NumPy arrays and scalars
    value = value.tolist()
  if isinstance(value, list | tuple):
    return [jsonable(item) for item in value]
  if isinstance(value, float):
    return value if math.isfinite(value) else None
  if value is None or isinstance(value, str | int):
    return value
  return str(value)


def dumps(results: Results) -> str:
  """The text of results.json. ValueError if a NaN or an infinity is left."""
  return json.dumps(results, indent=2, allow_nan=False) + '\n'
