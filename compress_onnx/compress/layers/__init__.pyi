from .affine_layers import affine as affine
from .faint_channels import strengthened as strengthened
from .layout import (
    Layout as Layout,
)
from .layout import (
    attribute as attribute,
)
from .layout import (
    layouts as layouts,
)
from .layout import (
    plain_name as plain_name,
)
from .layout import (
    weight_values as weight_values,
)
from .layout import (
    with_weights as with_weights,
)
from .scales import (
    dead_rows as dead_rows,
)
from .scales import (
    least_error_scales as least_error_scales,
)
from .scales import (
    max_scales as max_scales,
)
from .scales import (
    rounded as rounded,
)
from .weight_uses import (
    LayerSite as LayerSite,
)
from .weight_uses import (
    NormSite as NormSite,
)
from .weight_uses import (
    Site as Site,
)
from .weight_uses import (
    array as array,
)
from .weight_uses import (
    channels as channels,
)
from .weight_uses import (
    repair_sites as repair_sites,
)
from .weight_uses import (
    scaled_rows as scaled_rows,
)
from .weight_uses import (
    stored as stored,
)
