"""Checkpoints as the official code writes them, and what their network makes of images.

    simclr_checkpoint.py IMAGES.npz OUT.npz PREFIX DEPTH WIDTH SK_RATIO KIND ...

The graph is built from TensorFlow's operations in the order of google-research/simclr, resnet.py
and model_util.py, and names are handed out as tf.layers does there: the next free number of each
kind of layer within a scope. Nothing of simclr_bench is used.

PREFIX-KIND is written for each KIND: "whole"; "crowded", with the optimizer's slots, the step
counter and a moving average beside; "faulty", with one variable missing, one too many and one
misshapen; "objects", as TensorFlow 2 writes them.

IMAGES.npz has images in [0, 1] by NAME, [B, H, W, 3]. OUT.npz has for each of them features/NAME,
middle/NAME (the first layer of the projection head), projection/NAME, logits/NAME, and
middle_logits/NAME, of the same classifier on the middle layer.
"""

import sys

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

BLOCKS = {18: [2, 2, 2, 2], 50: [3, 4, 6, 3]}
FIRST = "base_model/conv2d/kernel"
LAST = "last"  # of the batch norms, those that end a residual branch


class Variables:
    """Makes variables under the official names, and finds them again for other images."""

    def __init__(self) -> None:
        self.made: dict[str, tf.Variable] = {}
        self.numbers: dict[str, int] = {}

    def restart(self) -> None:
        """Numbers layers from the start, for another pass of the same network."""
        self.numbers = {}

    def layer(self, scope: str, kind: str) -> str:
        """The name of the next layer of a kind."""
        path = f"{scope}/{kind}"
        number = self.numbers.get(path, 0)
        self.numbers[path] = number + 1
        return f"{path}_{number}" if number else path

    def get(self, name: str, shape: list[int], law: str, low: float, high: float) -> tf.Variable:
        """A variable that is drawn uniformly, or normally with mean and deviation."""
        if name not in self.made:
            seed = [len(self.made), 7]
            if law == "uniform":
                value = tf.random.stateless_uniform(shape, seed, low, high)
            else:
                value = tf.random.stateless_normal(shape, seed, low, high)
            trainable = not name.split("/")[-1].startswith("moving")
            self.made[name] = tf.get_variable(name, initializer=value, trainable=trainable)
        return self.made[name]


variables = Variables()


def conv(x, filters: int, kernel: int, stride: int):
    """conv2d_fixed_padding: strided ones are padded by a fixed amount, the others are SAME."""
    name = variables.layer("base_model", "conv2d")
    inputs = int(x.shape[-1])
    deviation = (kernel * kernel * inputs) ** -0.5
    weight = variables.get(
        f"{name}/kernel", [kernel, kernel, inputs, filters], "normal", 0, deviation
    )
    if stride > 1:
        x = pad(x, kernel)
    return tf.nn.conv2d(x, weight, stride, "SAME" if stride == 1 else "VALID")


def pad(x, kernel: int):
    """fixed_padding: kernel - 1 in all, the smaller half before."""
    before = (kernel - 1) // 2
    after = kernel - 1 - before
    return tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])


def norm(x, relu: bool = True, kind: str = "", scope: str = "base_model", center: bool = True):
    """batch_norm_relu in inference."""
    name = variables.layer(scope, "batch_normalization")
    width = [int(x.shape[-1])]
    low, high = (0.3, 0.6) if kind == LAST else (0.9, 1.5)
    gamma = variables.get(f"{name}/gamma", width, "uniform", low, high)
    beta = variables.get(f"{name}/beta", width, "normal", 0, 0.2) if center else None
    mean = variables.get(f"{name}/moving_mean", width, "normal", 0, 0.2)
    variance = variables.get(f"{name}/moving_variance", width, "uniform", 0.5, 1.5)
    x = tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-5)
    return tf.nn.relu(x) if relu else x


def selective(x, filters: int, stride: int, ratio: float):
    """sk_conv2d."""
    x = norm(conv(x, 2 * filters, 3, stride))
    streams = tf.stack(tf.split(x, 2, axis=3))
    pooled = tf.reduce_mean(tf.reduce_sum(streams, axis=0), [1, 2], keepdims=True)
    pooled = norm(conv(pooled, max(int(filters * ratio), 32), 1, 1))
    mixing = tf.stack(tf.split(conv(pooled, 2 * filters, 1, 1), 2, axis=3))
    return tf.reduce_sum(streams * tf.nn.softmax(mixing, axis=0), axis=0)


def project(x, filters: int, stride: int, ratio: float):
    """The shortcut of the first block of a group."""
    if ratio == 0:
        return norm(conv(x, filters, 1, stride), relu=False)
    if stride > 1:
        x = tf.nn.avg_pool2d(pad(x, 2), 2, stride, "VALID")
    else:
        x = tf.nn.avg_pool2d(x, 2, stride, "SAME")
    return norm(conv(x, filters, 1, 1), relu=False)


def basic(x, filters: int, stride: int, first: bool, ratio: float):
    """residual_block."""
    shortcut = project(x, filters, stride, ratio) if first else x
    x = norm(conv(x, filters, 3, stride))
    x = norm(conv(x, filters, 3, 1), relu=False, kind=LAST)
    return tf.nn.relu(x + shortcut)


def bottleneck(x, filters: int, stride: int, first: bool, ratio: float):
    """bottleneck_block."""
    shortcut = project(x, 4 * filters, stride, ratio) if first else x
    x = norm(conv(x, filters, 1, 1))
    x = selective(x, filters, stride, ratio) if ratio else norm(conv(x, filters, 3, stride))
    x = norm(conv(x, 4 * filters, 1, 1), relu=False, kind=LAST)
    return tf.nn.relu(x + shortcut)


def resnet(x, depth: int, width: int, ratio: float):
    """resnet_v1."""
    if ratio:
        x = norm(conv(x, 32 * width, 3, 2))
        x = norm(conv(x, 32 * width, 3, 1))
        x = norm(conv(x, 64 * width, 3, 1))
    else:
        x = norm(conv(x, 64 * width, 7, 2))
    x = tf.nn.max_pool2d(x, 3, 2, "SAME")
    block = basic if depth < 50 else bottleneck
    for group, count in enumerate(BLOCKS[depth]):
        for index in range(count):
            stride = 2 if group and not index else 1
            x = block(x, 64 * width * 2**group, stride, index == 0, ratio)
    return tf.reduce_mean(x, [1, 2])


def dense(x, scope: str, units: int, bias: bool):
    """tf.layers.dense within a scope."""
    name = variables.layer(scope, "dense")
    inputs = int(x.shape[-1])
    x = x @ variables.get(f"{name}/kernel", [inputs, units], "normal", 0, inputs**-0.5)
    return x + variables.get(f"{name}/bias", [units], "normal", 0, 1) if bias else x


def heads(h) -> dict:
    """projection_head of three layers, and supervised_head on h and on the first of them."""
    z = h
    layers = []
    for j, units in enumerate([int(h.shape[-1])] * 2 + [128]):
        scope = f"head_contrastive/nl_{j}"
        z = norm(dense(z, scope, units, False), relu=j < 2, scope=scope, center=j < 2)
        layers.append(z)
    logits = []
    for x in (h, layers[0]):
        variables.numbers.pop("head_supervised/linear_layer/dense", None)
        logits.append(dense(x, "head_supervised/linear_layer", 1000, True))
    return {
        "features": h,
        "middle": layers[0],
        "projection": z,
        "logits": logits[0],
        "middle_logits": logits[1],
    }


def crowd() -> dict[str, tf.Variable]:
    """Adds what the official code keeps beside the weights, and returns all variables."""
    step = tf.train.get_or_create_global_step()
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    optimizer.apply_gradients([(tf.ones_like(v), v) for v in tf.trainable_variables()], step)
    for name, variable in variables.made.items():
        if not name.startswith("head_supervised"):
            copy = tf.ones(variable.shape)
            tf.get_variable(f"ema_model/{name}", initializer=copy, trainable=False)
    return {variable.op.name: variable for variable in tf.global_variables()}


def damage() -> dict[str, tf.Variable]:
    """The variables, with one of each fault."""
    saved = dict(variables.made)
    del saved["base_model/batch_normalization_3/moving_mean"]
    saved["base_model/conv2d_77/kernel"] = tf.get_variable("a", initializer=tf.ones([2]))
    saved["base_model/conv2d_5/kernel"] = tf.get_variable("b", initializer=tf.ones([3, 3]))
    return saved


def main(given: str, made: str, prefix: str, depth: str, width: str, ratio: str, *kinds: str):
    outputs = {}
    with np.load(given) as arrays:
        for name, images in arrays.items():
            variables.restart()
            h = resnet(tf.constant(images), int(depth), int(width), float(ratio))
            outputs |= {f"{part}/{name}": value for part, value in heads(h).items()}
    make = {"whole": lambda: dict(variables.made), "crowded": crowd, "faulty": damage}
    saved = {kind: make[kind]() for kind in kinds if kind in make}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        if "crowded" in kinds:
            session.run(tf.assign(tf.train.get_global_step(), 250228))
        for kind, these in saved.items():
            saver = tf.train.Saver(these)
            saver.save(session, f"{prefix}-{kind}", write_meta_graph=False, write_state=False)
        if "objects" in kinds:
            tf.train.Checkpoint(model=tf.train.Checkpoint(variable=variables.made[FIRST])).write(
                f"{prefix}-objects", session=session
            )
        values = session.run(outputs)
    np.savez(made, **values)


main(*sys.argv[1:])
