from .deployed import Deployed as Deployed
from .deployed import Predict as Predict
from .deployed import explained_module as explained_module
from .gradients import (
    gradient as gradient,
)
from .gradients import (
    input_x_gradient as input_x_gradient,
)
from .gradients import (
    integrated_gradients as integrated_gradients,
)
from .gradients import (
    smoothgrad as smoothgrad,
)
from .layers import grad_cam as grad_cam
from .layers import guided_backpropagation as guided_backpropagation
from .maps import batch_maps as batch_maps
from .maps import seeded as seeded
from .perturbation import occlusion as occlusion
