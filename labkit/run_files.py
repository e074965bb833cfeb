"""Names of the files in a training run's folder.

They stand apart from `labkit.training.checkpoint`, which says what the files hold and imports
torch: commands look for them before they load anything.
"""

CONFIG = "config.json"
STATE, FRESH_STATE, PREVIOUS_STATE = "state.pt", "state.new.pt", "state.previous.pt"
WEIGHTS = "generator.safetensors"
