"""What runs inside the sandbox: a program, and the tests that question it.

`sandbox.run` starts it by the folder that it stands in, as a package without
parents: it imports nothing but itself and a little of Python. Three processes:

  guard     builds the walls, starts the tester, ends it when the time is up
  tester    runs the tests, and alone says whether they hold; in a PID
            namespace it is process 1, and with it dies everything
  solution  runs the program and answers the tester's questions

The last two share two pipes: a question is 'call your object 3 with these', an
answer a value (`values`), which is compared where no program can touch the
outcome. `walls` and `calls` are what stands around them.
"""
