import dataclasses

import pytest

from wcse_jax.models import presets
from wcse_jax.sampling import programs, shapes
from wcse_jax.sampling.slots import REFILLS
from wcse_jax.tpu import program, sampling

GIB = 2**30
WORK = sampling.Work(problems=100, samples=10, mean_tokens=128.0)


def generator(model: str) -> sampling.Generator:
  return sampling.Generator(
    model=model,
    prefix_tokens=1100,
    prompt_tokens=160,
    max_new_tokens=256,
    stop_states=5,
  )


@pytest.mark.parametrize(
  ('model', 'devices', 'gib', 'tensor'),
  [
    ('gemma2_2b', 8, 15, 1),
    ('gemma_7b', 8, 15, 2),
    ('gemma2_9b', 8, 15, 2),
    ('gemma2_27b', 8, 15, 8),
    ('gemma2_27b', 4, 15, 4),  # tight: the most there are
    ('gemma2_27b', 4, 90, 1),
    ('gemma3_1b', 8, 15, 1),  # its one kv head does not divide
    ('gemma3_12b', 4, 15, 4),
  ],
)
def test_a_model_takes_as_few_devices_as_its_weights_need(
  model, devices, gib, tensor
):
  made = sampling.choose_tensor(generator(model), devices, gib * GIB)
  assert made == tensor


def test_room_for_slots_is_what_weights_and_prefix_leave():
  gemma = generator('gemma2_2b')  # 26 layers, 4 kv heads of 256
  a_token = 2 * 26 * 4 * 256 * 2
  weights = 2 * presets.PRESETS['gemma2_2b'].config.num_params
  slots = sampling.most_slots(gemma, 1, 15 * GIB)
  left = 15 * GIB - weights - 1100 * a_token - slots * 416 * a_token
  assert 0 <= left < 416 * a_token
  assert sampling.most_slots(gemma, 2, 15 * GIB) > 2 * slots
  assert sampling.most_slots(generator('gemma2_27b'), 1, 15 * GIB) < 0


def a_program(seconds: float = 0) -> program.Program:
  return program.Program(
    argument_bytes=0,
    used_bytes={},
    result_bytes=0,
    temporary_bytes=0,
    flops=0,
    moved_bytes=0,
    received_bytes={},
    seconds={'flops': seconds / 2, 'hbm': seconds, 'links': 0},
    compile_s=0,
  )


def a_fit(slots: int, took: dict[str, float] | None = None, **changes):
  settings = {'tensor': 1, 'replicas': 1, 'slots': slots, 'peak_bytes': 0}
  return sampling.Fit(
    **{**settings, **changes},
    programs={name: a_program(s) for name, s in (took or {}).items()},
    weights_plus_kv_bytes={},
  )


def test_time_is_prefill_and_steps_of_the_busiest_replica():
  took = {'prefix': 7.0, 'question': 3.0, 'refill': 0.5, 'decode': 0.01}
  found = a_fit(20, took, replicas=3)
  # 34 of 100 problems, 340 samples, 17 a slot.
  questions = -(-34 // programs.QUESTIONS)
  steps = 128 + (shapes.BLOCK_STEPS - 1) / 2
  before = 7 + questions * 3 + 340 / REFILLS * 0.5
  assert found.seconds(WORK) == pytest.approx(before + 17 * steps * 0.01)
  # With more slots than samples, the last sample still takes its steps.
  few = dataclasses.replace(found, slots=10_000)
  assert few.seconds(WORK) == pytest.approx(before + steps * 0.01)


@pytest.mark.parametrize(
  ('peak', 'most', 'expected'),
  [
    (lambda n: 1000 + 10 * n, 10**9, 896),  # the bound itself
    (lambda n: 1000 + 14 * n, 10**9, 640),
    (lambda n: 3000 + 12 * n, 10**9, 576),
    (lambda n: 1000 + 30 * n, 10**9, 296),  # half the bound does not fit
    (lambda n: 1000 + 10 * n, 300, 280),  # the compiler itself gives up
  ],
)
def test_the_largest_number_of_slots_is_found_in_few_compilations(
  peak, most, expected
):
  asked = []

  def compiled(slots):
    asked.append(slots)
    return a_fit(slots, peak_bytes=peak(slots)) if slots <= most else None

  found = sampling._largest(compiled, 900, limit=10_000, slot_bytes=10)
  assert found and found.slots == expected
  assert found.peak_bytes <= 10_000
  assert len(asked) == len(set(asked)) <= 4


def test_nothing_fits():
  compiled = lambda slots: a_fit(slots, peak_bytes=10**9)
  assert not sampling._largest(compiled, 900, limit=10_000, slot_bytes=10)


def test_a_line_through_two_programs_goes_on():
  few, more = a_program(2.0), a_program(3.0)
  few = dataclasses.replace(
    few, received_bytes={'all-gather': 10.0}, compile_s=9
  )
  more = dataclasses.replace(
    more, received_bytes={'all-gather': 30.0}, temporary_bytes=5.0, compile_s=4
  )
  whole = program.combine([few, more], [-19, 20])
  assert whole.roofline_s == 2 + 20 * 1
  assert whole.received_bytes == {'all-gather': 10 + 20 * 20}
  assert whole.hbm_bytes == 20 * 5
  assert whole.compile_s == 9 + 4  # what was compiled, not a guess
