from .artifact import describe as describe
from .artifact import footprint as footprint
from .batch_coupling import AcrossImages as AcrossImages
from .batch_coupling import across_images as across_images
from .batch_coupling import random_nodes as random_nodes
from .census import (
    WEIGHTED_OPS as WEIGHTED_OPS,
)
from .census import (
    Weight as Weight,
)
from .census import (
    expect_in_reach as expect_in_reach,
)
from .census import (
    expect_plain_order as expect_plain_order,
)
from .census import (
    float_weights as float_weights,
)
from .census import (
    is_quantized as is_quantized,
)
from .census import (
    left_float as left_float,
)
from .census import (
    out_of_reach as out_of_reach,
)
from .census import (
    precision_of as precision_of,
)
from .census import (
    prunable_initializers as prunable_initializers,
)
from .census import (
    stored_tensors as stored_tensors,
)
from .census import (
    told as told,
)
from .census import (
    weight_numbers as weight_numbers,
)
from .census import (
    weights as weights,
)
from .checks import expect_finite_weights as expect_finite_weights
from .files import (
    load_model as load_model,
)
from .files import (
    model_bytes as model_bytes,
)
from .files import (
    model_sha256 as model_sha256,
)
from .files import (
    save_model as save_model,
)
from .forms import normalized as normalized
from .forms import with_plain_tensors as with_plain_tensors
from .identity import (
    WholeModel as WholeModel,
)
from .identity import (
    expect_identity as expect_identity,
)
from .identity import (
    expect_unchanged as expect_unchanged,
)
from .identity import (
    is_one_file as is_one_file,
)
from .identity import (
    model_identity as model_identity,
)
from .identity import (
    whole_model as whole_model,
)
from .lineage import descended as descended
from .lineage import made_from as made_from
from .metadata import (
    Embedded as Embedded,
)
from .metadata import (
    check_preprocessing as check_preprocessing,
)
from .metadata import (
    read_embedded as read_embedded,
)
from .metadata import (
    write_embedded as write_embedded,
)
from .model import Model as Model
from .model import ModelSource as ModelSource
from .model import made_model as made_model
from .model import read_model as read_model
from .signature import Signature as Signature
from .signature import default_opset as default_opset
from .signature import signature_of as signature_of
