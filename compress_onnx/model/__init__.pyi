from .artifact import describe as describe, described as described, footprint as footprint
from .batch_coupling import AcrossImages as AcrossImages, across_images as across_images, random_nodes as random_nodes
from .census import WEIGHTED_OPS as WEIGHTED_OPS, Weight as Weight, expect_in_reach as expect_in_reach, expect_plain_order as expect_plain_order, float_weights as float_weights, is_quantized as is_quantized, left_float as left_float, out_of_reach as out_of_reach, precision_of as precision_of, prunable_initializers as prunable_initializers, stored_tensors as stored_tensors, told as told, weight_numbers as weight_numbers, weights as weights
from .checks import expect_finite_weights as expect_finite_weights
from .files import ModelFile as ModelFile, load_model as load_model, model_bytes as model_bytes, model_sha256 as model_sha256, read_model as read_model, save_model as save_model
from .forms import normalized as normalized, with_plain_tensors as with_plain_tensors
from .identity import WholeModel as WholeModel, expect_identity as expect_identity, expect_unchanged as expect_unchanged, is_one_file as is_one_file, model_identity as model_identity, whole_model as whole_model
from .lineage import descended as descended, made_from as made_from
from .metadata import Embedded as Embedded, check_preprocessing as check_preprocessing, read_embedded as read_embedded, write_embedded as write_embedded
from .signature import Signature as Signature, default_opset as default_opset, signature_of as signature_of
