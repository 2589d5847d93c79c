"""Training of whole networks on the user's images: steps, optimizers, checkpoints, processes.

A run is a pure function of its recipe, its images and the code: draws are addressed, not taken from
a generator, so that whoever has the parameters, the optimizer's slots and the number of steps
continues as if nothing had happened.
"""
