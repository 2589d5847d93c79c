"""Which TensorFlow this is."""

import sys

import numpy as np
import tensorflow as tf

np.savez(sys.argv[2], version=np.array(tf.__version__))
