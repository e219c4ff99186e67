"""Every option, declared once: default, unit, bounds and the reason for the default.

The command line reads help texts and defaults here, the library checks values here, and a run's
record keeps the resolved values.
"""

from __future__ import annotations

from compress_onnx.options.kinds import ChoiceOption, NumberOption

# Half of the weights: the step at which the published study's networks still keep their accuracy.
SPARSITY = NumberOption(
    name="sparsity", default=0.5, low=0.0, below=1.0, help="Fraction of prunable weights set to zero, 0 to below 1."
)
SCOPE = ChoiceOption(
    name="scope",
    default="global",
    choices=("global", "layer"),
    help="One magnitude threshold over all weights (global) or one per tensor (layer).",
)
WEIGHTS = ChoiceOption(
    name="weights",
    default="int8",
    choices=("int8", "int4", "mixed"),
    help="Weight type; mixed stores in 4 bits what --max-drop allows.",
)
# Measured at 4 bits: rounded to nearest, mse flips twice what output flips (LeNet-5, CIFAR-10: 14.9 and 7.7 %);
# with gptq they flip as many (5.0 and 4.7 %), and mse needs no search over large matrices. 8 bits need neither.
SCALES = ChoiceOption(
    name="scales",
    default="auto",
    choices=("auto", "max", "mse", "output"),
    help="What a channel's scale minimizes: max (nothing: the largest weight fits), the weights' squared error (mse) "
    "or the output's on the calibration images (output); auto: max at 8 bits, else mse.",
)
ROUNDING = ChoiceOption(
    name="rounding",
    default="auto",
    choices=("auto", "nearest", "gptq"),
    help="How weights become integers: each by itself (nearest) or later ones making up for earlier ones (gptq); "
    "auto: nearest at 8 bits, else gptq.",
)
# One point of accuracy: what the default gate policy accepts.
MAX_DROP = NumberOption(
    name="max-drop", default=0.01, low=0.0, below=1.0, help="Largest accuracy loss on calibration images, 0 to below 1."
)
REPAIR = ChoiceOption(
    name="repair",
    default="auto",
    choices=("auto", "none"),
    help="Repair on the images given what compression damaged (auto), or leave it as it is (none).",
)
# On ResNet-18 the repair's gain no longer grows beyond 2,048 images, and a quarter of them judges it.
REPAIR_SIZE = NumberOption(
    name="repair-size", default=2048, low=8, help="Number of training images that repair a pruned model."
)
# 512 images: the accuracy of MinMax ranges no longer moves, and calibration stays within seconds.
CALIBRATION_SIZE = NumberOption(
    name="calibration-size", default=512, low=1, help="Number of training images that choose the ranges."
)
METHOD = ChoiceOption(
    name="method",
    default="minmax",
    choices=("minmax", "entropy", "percentile"),
    help="How ranges are chosen from the calibration images.",
)
CPU = ChoiceOption(
    name="cpu",
    default="auto",
    choices=("auto", "x86-64-vnni", "x86-64-avx2", "aarch64"),
    help="CPU the file will run on; auto asks a probe of this one.",
)
# Enough to see what overflows often; a channel that overflows once in a thousand images flips next to nothing.
AUDIT_SIZE = NumberOption(
    name="images", default=64, low=1, help="Images on which int16 overflows are counted, with --data."
)
SEED = NumberOption(name="seed", default=0, low=0, help="Seed of every random choice.")
# One thread, one image: what an edge box does with a camera.
THREADS = NumberOption(name="threads", default=1, low=1, help="Intra-op threads of ONNX Runtime.")
BATCH = NumberOption(name="batch", default=1, low=1, help="Images per call when timing.")
ROUNDS = NumberOption(name="rounds", default=10, low=1, help="Interleaved timing rounds.")
# Half a second per round and model: the timed calls take about twice as long as starting and loading did.
DURATION = NumberOption(
    name="duration", default=5.0, low=0.01, help="Timed seconds per model and setting, over all rounds together."
)
CALLS = NumberOption(name="calls", default=50, low=1, help="Timed calls per model and round.")
# 1,000 images bound the saliency stage of small networks to seconds, place a candidate within a point between noise and
# random weights, and leave some twenty for each of GTSRB's 43 classes; memory does not grow with the number.
SALIENCY_SAMPLES = NumberOption(
    name="saliency-samples", default=1000, low=1, help="Evaluation images whose saliency maps are compared."
)
# The baseline's prediction needs no labels, and both models are asked for the same class.
SALIENCY_TARGET = ChoiceOption(
    name="saliency-target",
    default="baseline",
    choices=("baseline", "label"),
    help="Class that saliency explains: the baseline's prediction (baseline) or the true class (label).",
)
# 300 flips with three small pictures each stay below a few megabytes in the report.
PICTURES = NumberOption(
    name="pictures", default=300, low=0, help="Flipped samples per candidate that the report shows with pictures."
)
# On ResNet-18 at 70 %, one shot without repair, unfolded weights keep 80.5 % accuracy where weights with BatchNorm
# folded in keep 67.3 %.
BASIS = ChoiceOption(
    name="basis",
    default="unfolded",
    choices=("unfolded", "folded"),
    help="Judge weights as they are stored (unfolded), or after BatchNorm is folded into them (folded).",
)
# 30 %: the point at which the published study compares structured pruning.
FRACTION = NumberOption(
    name="fraction", default=0.3, low=0.0, below=1.0, help="Fraction of convolution channels removed, 0 to below 1."
)
# One: a layer without channels would cut the network in two.
LEAST = NumberOption(name="least", default=1, low=1, help="Channels that every layer keeps.")
# ONNX Runtime's blocked CPU layout takes convolutions whose channels come in fours, and joins (Concat) whose channels
# come in its blocks: 16 with AVX-512, 8 with AVX2. Less 30 %, ResNet-18 ran 1.7 times faster with any numbers of channels
# and 2.0 times with multiples of 4, 8 or 16; SqueezeNet 1.1, 1.2 and 1.4 times with multiples of 4, 8 and 16.
MULTIPLE = NumberOption(
    name="multiple",
    default=16,
    low=1,
    help="Pruned layers keep a multiple of this number of channels, layers below four times it of a half, and so on.",
)
