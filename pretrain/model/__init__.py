"""The model that is trained: how it starts, its towers, its optimiser, and the folder it becomes."""
