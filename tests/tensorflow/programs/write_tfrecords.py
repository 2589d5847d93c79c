"""Writes tf.train.Examples as TFRecords: argv[1] gives images and labels, argv[3] names the file.

argv[2] gets what TensorFlow itself decodes each image to, as it does by default ("fast") and with
the accurate inverse DCT for JPEG ("accurate").
"""

import sys

import numpy as np
import tensorflow as tf

given, made, target = sys.argv[1:]
with np.load(given) as arrays:
    files = [arrays[f"image_{number}"].tobytes() for number in range(len(arrays["labels"]))]
    labels = arrays["labels"].tolist()

with tf.io.TFRecordWriter(target) as writer:
    for number, (file, label) in enumerate(zip(files, labels, strict=True)):
        feature = {
            "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[file])),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            "file_name": tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[f"banded/{number}.jpg".encode()])
            ),
            "scores": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5, 1.5])),
        }
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        writer.write(example.SerializeToString())

decoded = {}
for number, file in enumerate(files):
    fast = accurate = tf.io.decode_image(file, channels=3, expand_animations=False)
    if file.startswith(b"\xff\xd8"):
        accurate = tf.io.decode_jpeg(file, channels=3, dct_method="INTEGER_ACCURATE")
    decoded |= {f"fast_{number}": fast.numpy(), f"accurate_{number}": accurate.numpy()}
np.savez(made, **decoded)
