from .deployed import Deployed as Deployed, Predict as Predict, explained_module as explained_module
from .gradients import gradient as gradient, input_x_gradient as input_x_gradient, integrated_gradients as integrated_gradients, smoothgrad as smoothgrad
from .layers import grad_cam as grad_cam, guided_backpropagation as guided_backpropagation
from .maps import batch_maps as batch_maps, seeded as seeded
from .perturbation import occlusion as occlusion
