from .affine_layers import affine as affine
from .faint_channels import strengthened as strengthened
from .layout import Layout as Layout, attribute as attribute, layouts as layouts, plain_name as plain_name, weight_values as weight_values, with_weights as with_weights
from .scales import dead_rows as dead_rows, least_error_scales as least_error_scales, max_scales as max_scales, rounded as rounded
from .weight_uses import LayerSite as LayerSite, NormSite as NormSite, Site as Site, array as array, channels as channels, repair_sites as repair_sites, scaled_rows as scaled_rows, stored as stored
