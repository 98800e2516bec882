"""Pure grading of answers: numbers, mathematics, programs, instructions."""
