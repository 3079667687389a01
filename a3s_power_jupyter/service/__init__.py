"""The operations of the product, without HTTP."""

from .service import PowerService

__all__ = ["PowerService"]
