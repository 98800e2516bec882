"""Pretrains the nano ladder from scratch, as the shipped one was.

  python launch/pretrain_ladder.py --models=nano_wc,nano_se,nano_student

The corpus is procedural: problems with solutions (`tasks.nano.problems`),
disjoint from every split by construction, one in ten of them faulty, as the web
is; and, of all documents, two in five are drills, mere equations. A row is BOS
and documents, the last one cut. A question is mostly random names and numbers,
so its tokens weigh less in the loss.

In the first phase most rows are short; in those that follow, of problems alone,
they are as long as the few-shot prompt with a problem and its solution. Each
phase writes its parameters in bfloat16, and one whose file is there is not run
again: `<model>.0.safetensors`, `<model>.1.safetensors`, ...; the last one's are
`<model>.safetensors`. `card.json` gets what a model saw, time, device, and its
pass rate by level on the train split, few-shot, at T=0.7 and top-k 3. The
ladder is calibrated by that pass rate alone: it decided `steps` below, and no
finetuning was looked at.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import json
import pathlib
import random
import sys
import time
from typing import Any

from absl import app, flags
import jax
import jax.numpy as jnp
import numpy as np
import optax

from wcse_jax.models import checkpoint, gemma, presets, tokenizer
from wcse_jax.sampling import engine
from wcse_jax.tasks.nano import problems as nano_problems
from wcse_jax.tasks.nano import task as nano_task

_MODELS = flags.DEFINE_list('models', ['nano_wc'], 'Which to pretrain.')
_OUT = flags.DEFINE_string('out', 'runs/ladder', 'Folder to write to.')
_STEPS = flags.DEFINE_integer('steps', 0, "Instead of the recipe's.")

SHORT = (24, 192)  # rows, tokens of a row, in most steps
LONG = (10, 464)  # in the others
QUESTION_WEIGHT = 0.1  # of a question's token in the loss
DRILLS = 0.4  # share of documents


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
  """How a model of the ladder was pretrained.

  Attributes:
    steps: Of SHORT batches, in the first phase.
    last_steps: Of LONG ones, at its end.
    schedule_steps: Of the first phase's schedule, linear warm-up over 5%, then
      cosine to 0, which the phase may leave early; 0 is all of its steps.
    learning_rate: Its peak.
    long_phases: Then, each with an optimizer of its own: steps of LONG batches
      without drills, and the peak of their schedule.
    levels: The levels of its corpus, each as often as it stands here.
    noise: Share of its problems whose solution is faulty.
    seed: Of corpus and initial parameters.
  """

  steps: int
  last_steps: int = 60
  schedule_steps: int = 0
  learning_rate: float = 4e-3
  long_phases: tuple[tuple[int, float], ...] = ((200, 1e-3),)
  levels: tuple[int, ...] = (1, 2, 3, 4, 5)
  noise: float = 0.1
  seed: int = 0


RECIPES = {
  'nano_wc': Recipe(
    steps=800,
    last_steps=0,
    schedule_steps=1560,
    long_phases=((90, 1e-3),),
  ),
  'nano_se': Recipe(
    steps=800,
    last_steps=0,
    schedule_steps=1360,
    learning_rate=3e-3,
    long_phases=((300, 2e-3), (250, 1.5e-3)),
  ),
  # A student that has seen few hard problems: something is left to teach.
  # It is asked without few-shot examples, so it needs no long rows.
  'nano_student': Recipe(
    steps=700, long_phases=(), levels=(1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5)
  ),
}


def drill(rng: random.Random) -> str:
  """Returns ten equations of the sizes that problems have."""
  equations = []
  for op in rng.choices('+-*/', k=10):
    if op in '+-':
      a, b = rng.randint(2, 190), rng.randint(2, 60)
    else:
      a, b = rng.randint(2, 60), rng.randint(2, 12)
    if rng.random() < 0.5 and op in '+*':
      a, b = b, a
    if op == '-':
      a, b = a + b, (b if rng.random() < 0.7 else a)
    elif op == '/':
      a *= b
    result = {'+': a + b, '-': a - b, '*': a * b, '/': a // b}[op]
    equations.append(f' {a}{op}{b}={result}.')
  return ''.join(equations)


def batches(
  recipe: Recipe, shapes: Sequence[tuple[int, int]], *, seed: str, drills: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields the tokens and loss weights, [rows, tokens], of each step."""
  rng = random.Random(seed)
  pieces = tokenizer.Tokenizer(checkpoint.NANO / 'tokenizer.model')
  for shape in shapes:
    tokens, weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for row, weight in zip(tokens, weights, strict=True):
      ids, weighs = [pieces.bos], [0.0]
      while len(ids) < len(row):
        document, cut = drill(rng), 0
        if rng.random() >= drills:
          document = nano_problems.corpus_document(
            rng, levels=recipe.levels, noise=recipe.noise
          )
          cut = document.index('Solution:') + len('Solution:')
        question = pieces.encode(document[:cut])
        solution = pieces.encode(document[cut:] + nano_problems.STOP)
        ids += question + solution
        weighs += [QUESTION_WEIGHT] * len(question) + [1.0] * len(solution)
      row[:], weight[:] = ids[: len(row)], weighs[: len(row)]
    yield tokens, weights


def train(
  name: str, params: Any, data: Iterator, total: int, learning_rate: float
) -> tuple[Any, float]:
  """Runs one phase; returns the parameters and the last loss."""
  model = gemma.Gemma(presets.PRESETS[name].config)
  schedule = optax.warmup_cosine_decay_schedule(
    0.0, learning_rate, total // 20, total
  )
  optimizer = optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.adamw(schedule, b2=0.95, weight_decay=0.1),
  )

  def loss_fn(params, tokens, weights):
    hidden, _ = gemma.forward(model, params, tokens[:, :-1])
    logits = gemma.logits(model, params, hidden)
    loss = optax.softmax_cross_entropy_with_integer_labels(
      logits, tokens[:, 1:]
    )
    return jnp.sum(loss * weights[:, 1:]) / jnp.sum(weights[:, 1:])

  @functools.partial(jax.jit, donate_argnums=(0, 1))
  def step(params, state, tokens, weights):
    loss, grads = jax.value_and_grad(loss_fn)(params, tokens, weights)
    updates, state = optimizer.update(grads, state, params)
    return optax.apply_updates(params, updates), state, loss

  params = jax.tree.map(jnp.array, params)
  state = optimizer.init(params)
  loss, start = jnp.nan, time.monotonic()
  for t, (tokens, weights) in enumerate(data, start=1):
    params, state, loss = step(params, state, tokens, weights)
    if t % 20 == 0:
      seconds = time.monotonic() - start
      print(f'{name} step {t}/{total} loss {loss:.4f} {seconds:.0f} s',
            flush=True)  # fmt: skip
  return params, float(loss)


def pass_rates(name: str, params, problems: int = 300, samples: int = 4):
  """Returns the share of right answers on the train split, by level."""
  pieces = tokenizer.Tokenizer(checkpoint.NANO / 'tokenizer.model')
  model = checkpoint.Model(name, presets.PRESETS[name].config, params, pieces)
  chosen = [nano_problems.problem('train', i) for i in range(problems)]
  sampler = engine.Sampler(
    model,
    prefix=nano_problems.PREFIX,
    stop_strings=[nano_problems.STOP],
    max_new_tokens=80,
    max_prompt_tokens=max(len(pieces.encode(p.prompt)) for p in chosen),
    top_k=3,
    slots=128,
  )
  requests = [
    engine.Request(
      problem_id=p.problem_id, sample_index=i, prompt=p.prompt, temperature=0.7
    )
    for p in chosen
    for i in range(samples)
  ]
  by_id = {p.problem_id: p for p in chosen}
  right: dict[int, list[bool]] = {}
  sound, correct = 0, 0
  for sample in sampler.stream(requests, generator=name):
    problem = by_id[sample.problem_id]
    verdict, _, _, is_sound = nano_task.grade(
      problem.gold, sample.text, problem.question
    )
    right.setdefault(problem.level, []).append(verdict == 'correct')
    correct += verdict == 'correct'
    sound += verdict == 'correct' and bool(is_sound)
  rates = {str(level): float(np.mean(right[level])) for level in sorted(right)}
  rates['all'] = correct / len(requests)
  rates['false_positives'] = 1 - sound / max(1, correct)
  return rates


def main(_) -> None:
  """Pretrains the models asked for, one after the other."""
  out = pathlib.Path(_OUT.value)
  out.mkdir(parents=True, exist_ok=True)
  card_path = out / 'card.json'
  card = json.loads(card_path.read_text()) if card_path.exists() else {}
  for name in _MODELS.value:
    recipe = RECIPES[name]
    if _STEPS.value:
      recipe = dataclasses.replace(recipe, steps=_STEPS.value)
    start = time.monotonic()
    config = presets.PRESETS[name].config
    path = out / f'{name}.safetensors'
    shapes = [SHORT] * recipe.steps + [LONG] * recipe.last_steps
    horizon = recipe.schedule_steps or len(shapes)
    phases = [(shapes, horizon, recipe.learning_rate, DRILLS)]
    phases += [([LONG] * n, n, rate, 0.0) for n, rate in recipe.long_phases]
    params, loss = gemma.init(config, recipe.seed), None
    for i, (shapes, horizon, rate, drills) in enumerate(phases):
      made = out / f'{name}.{i}.safetensors'
      if not made.exists():
        seed = f'corpus {recipe.seed} {recipe.levels} {i}'
        data = batches(recipe, shapes, seed=seed, drills=drills)
        params, loss = train(name, params, data, horizon, rate)
        checkpoint.write(made, params, 'bfloat16')
      params = checkpoint.read(made, config, 'float32')
    vocabulary = checkpoint.NANO / 'tokenizer.model'
    checkpoint.write(path, params, 'bfloat16', vocabulary)
    stored = checkpoint.read(path, config, 'float32')
    seconds = time.monotonic() - start
    card[name] = {
      'command': f'python launch/pretrain_ladder.py --models={name}',
      **dataclasses.asdict(recipe),
      'short_batch': SHORT,
      'long_batch': LONG,
      'loss': loss,
      'seconds': round(seconds),
      'device': jax.devices()[0].device_kind,
      'pass_rate': pass_rates(name, stored),
    }
    card_path.write_text(json.dumps(card, indent=2) + '\n')
    print(name, json.dumps(card[name]['pass_rate']), flush=True)


if __name__ == '__main__':
  sys.exit(app.run(main))
