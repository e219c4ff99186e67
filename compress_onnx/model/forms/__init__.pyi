from .normalize import normalized as normalized
from .normalize import with_plain_tensors as with_plain_tensors
from .unfusing import KNOWN_ACTIVATIONS as KNOWN_ACTIVATIONS
