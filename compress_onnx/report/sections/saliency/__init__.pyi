from .section import saliency_section as saliency_section
