"""Programs as the compiler prints them, for tests of what is counted."""

import textwrap

MIB = 2**20


ADD = """
  %add (a.0: f32[], b.0: f32[]) -> f32[] {
    %a.0 = f32[] parameter(0)
    %b.0 = f32[] parameter(1)
    ROOT %sum.0 = f32[] add(%a.0, %b.0)
  }
"""


def module(entry: str, *computations: str) -> str:
  parts = [textwrap.dedent(part).strip('\n') for part in (ADD, *computations)]
  body = textwrap.indent(textwrap.dedent(entry).strip('\n'), '  ')
  head = 'HloModule jit_f, is_scheduled=true\n\n'
  return head + '\n\n'.join(
    [*parts, f'ENTRY %main.1 () -> f32[] {{\n{body}\n}}']
  )
