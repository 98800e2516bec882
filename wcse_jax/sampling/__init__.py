"""The sampling engine: many samples of few-shot prompts, exactly counted."""
